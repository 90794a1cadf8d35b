/** Role: all attackers there are. Not here: what they do. */

import { PeerError } from '../../errors.js';
import type { Attacker } from './attacker.js';
import { dhtMalformed } from './dht/malformed.js';

export const ATTACKERS: readonly Attacker[] = [dhtMalformed];

/** Errors: 'usage', saying which there are. */
export function attackerNamed(name: string): Attacker {
  const found = ATTACKERS.find((attacker) => attacker.name === name);
  if (found === undefined) {
    const names = ATTACKERS.map((attacker) => attacker.name).join(', ');
    throw new PeerError('usage', `there is no attacker ${name}; there are: ${names}`);
  }
  return found;
}
