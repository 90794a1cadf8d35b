/** Role: the goals of the telephone: `npm run goals -- voip`. Not here: the goals themselves, a file each. */

import type { Goal } from './goal.js';
import { delayGoal } from './voip-delay.js';
import { enduranceGoal } from './voip-endurance.js';
import { lookalikeGoal } from './voip-lookalike.js';
import { setUpGoal } from './voip-set-up.js';
import { soundGoal } from './voip-sound.js';
import { statesGoal } from './voip-states.js';

export const voipGoals: readonly Goal[] = [
  delayGoal,
  soundGoal,
  setUpGoal,
  statesGoal,
  lookalikeGoal,
  enduranceGoal,
];
