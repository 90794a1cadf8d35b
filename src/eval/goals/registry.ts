/** Role: all goals, and which of them a command line means. Not here: the goals. */

import { PeerError } from '../../errors.js';
import { callGoals } from './call.js';
import { dhtGoals } from './dht.js';
import { evalGoals } from './eval.js';
import type { Goal } from './goal.js';
import { kxGoals } from './kx.js';
import { testingGoals } from './testing.js';
import { voipGoals } from './voip.js';

export const GOALS: readonly Goal[] = [
  ...callGoals,
  ...kxGoals,
  ...dhtGoals,
  ...voipGoals,
  ...testingGoals,
  ...evalGoals,
];

/** Goals of an area, or one of them. Errors: 'usage', saying what there is. */
export function selectGoals(goals: readonly Goal[], area: string, number?: string): readonly Goal[] {
  const ofArea = goals.filter((goal) => goal.area === area);
  if (ofArea.length === 0) {
    const areas = [...new Set(goals.map((goal) => goal.area))].join(', ');
    throw new PeerError('usage', `there is no area ${area}; there are: ${areas}`);
  }
  if (number === undefined) return ofArea;
  const found = ofArea.filter((goal) => String(goal.number) === number);
  if (found.length === 0) {
    const numbers = ofArea.map((goal) => goal.number).join(', ');
    throw new PeerError('usage', `${area} has no goal ${number}; it has: ${numbers}`);
  }
  return found;
}
