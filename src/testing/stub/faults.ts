/** Role: all seeded faults, and the one that a command line means. Not here: the faults, a file for each module. */

import { PeerError } from '../../errors.js';
import { API_FAULTS } from './api-faults.js';
import { DHT_FAULTS } from './dht-faults.js';
import type { Fault, StubModule } from './fault.js';
import { KX_FAULTS } from './kx-faults.js';

const FAULTS: readonly Fault[] = [...API_FAULTS, ...DHT_FAULTS, ...KX_FAULTS];

export function faultsOf(module: StubModule): readonly Fault[] {
  return FAULTS.filter(({ modules }) => modules.includes(module));
}

/** Errors: 'usage'. */
export function faultNamed(module: StubModule, name: string): Fault {
  const found = faultsOf(module).find((fault) => fault.name === name);
  if (found !== undefined) return found;
  throw new PeerError('usage', `a stub of the ${module.toUpperCase()} has no fault ${name}`, {
    remedy: `peer test stub ${module} --list-faults shows those that there are`,
  });
}
