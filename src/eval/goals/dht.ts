/** Role: the goals of the DHT: `npm run goals -- dht`. Not here: the goals themselves, a file each. */

import { apiGoal } from './dht-api.js';
import { churnGoal } from './dht-churn.js';
import { colludersGoal } from './dht-colluders.js';
import { frozenGoal } from './dht-frozen.js';
import { junkGoal } from './dht-junk.js';
import { privateGoal } from './dht-private.js';
import { speedGoal } from './dht-speed.js';
import { traceGoal } from './dht-trace.js';
import type { Goal } from './goal.js';

export const dhtGoals: readonly Goal[] = [
  speedGoal,
  frozenGoal,
  colludersGoal,
  churnGoal,
  junkGoal,
  privateGoal,
  traceGoal,
  apiGoal,
];
