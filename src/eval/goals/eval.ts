/** Role: the goals of the evaluation: `npm run goals -- eval`. Not here: single goals. */

import { latencyGoal } from './eval-latency.js';
import type { Goal } from './goal.js';

export const evalGoals: readonly Goal[] = [latencyGoal];
