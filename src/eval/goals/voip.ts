/** Role: the goals of the telephone: `npm run goals -- voip`. Not here: the goals themselves, a file each. */

import type { Goal } from './goal.js';
import { setUpGoal } from './voip-set-up.js';
import { soundGoal } from './voip-sound.js';

export const voipGoals: readonly Goal[] = [soundGoal, setUpGoal];
