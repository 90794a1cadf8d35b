/** Role: the goals of the KX: `npm run goals -- kx`. Not here: the goals themselves, a file each. */

import type { Goal } from './goal.js';
import { buildGoal } from './kx-build.js';
import { cellGoal } from './kx-cells.js';
import { hostileGoal } from './kx-hostile.js';
import { pathGoal } from './kx-path.js';
import { relayGoal } from './kx-relay.js';
import { rotationGoal } from './kx-rotation.js';
import { voicesGoal } from './kx-voices.js';

export const kxGoals: readonly Goal[] = [
  cellGoal,
  relayGoal,
  pathGoal,
  rotationGoal,
  buildGoal,
  voicesGoal,
  hostileGoal,
];
