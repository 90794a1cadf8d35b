/** Role: all scenarios of the simulator. Not here: the scenarios, a file each. */
import { PeerError } from '../../errors.js';
import type { Scenario } from './scenario.js';
import { churn } from './scenarios/churn.js';
import { colluders } from './scenarios/colluders.js';
import { footprint } from './scenarios/footprint.js';
import { junk } from './scenarios/junk.js';
import { privateLookups } from './scenarios/private.js';
import { reach } from './scenarios/reach.js';
import { sybils } from './scenarios/sybils.js';
import { trace } from './scenarios/trace.js';

export const SCENARIOS: readonly Scenario[] = [
  colluders,
  sybils,
  churn,
  reach,
  junk,
  privateLookups,
  trace,
  footprint,
];

/** Errors: 'usage', saying what there is. */
export function findScenario(name: string | undefined): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found) return found;
  const names = SCENARIOS.map((scenario) => scenario.name).join(', ');
  const what = name === undefined ? 'which scenario?' : `there is no scenario ${name};`;
  throw new PeerError('usage', `${what} there are: ${names}`);
}
