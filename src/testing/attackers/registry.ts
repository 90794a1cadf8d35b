/** Role: all attackers there are. Not here: what they do. */

import { PeerError } from '../../errors.js';
import { apiHalfOpen } from './api/half-open.js';
import { apiMalformed } from './api/malformed.js';
import { apiSlow } from './api/slow.js';
import type { Attacker } from './attacker.js';
import { dhtCrash } from './dht/crash.js';
import { dhtDelay } from './dht/delay.js';
import { dhtDrop } from './dht/drop.js';
import { dhtJunk } from './dht/junk.js';
import { dhtLie } from './dht/lie.js';
import { dhtMalformed } from './dht/malformed.js';
import { dhtReplay } from './dht/replay.js';
import { dhtSybil } from './dht/sybil.js';
import { kxCrash } from './kx/crash.js';
import { kxFlood } from './kx/flood.js';
import { kxHijack } from './kx/hijack.js';
import { kxMalformed } from './kx/malformed.js';
import { kxDelay, kxDrop, kxModify, kxReplay, kxTag } from './kx/relays.js';

export const ATTACKERS: readonly Attacker[] = [
  ...[dhtDrop, dhtDelay, dhtLie, dhtSybil, dhtJunk, dhtReplay, dhtCrash, dhtMalformed],
  ...[kxDrop, kxDelay, kxReplay, kxModify, kxTag, kxCrash, kxFlood, kxMalformed, kxHijack],
  ...[apiSlow, apiHalfOpen, apiMalformed],
];

/** Errors: 'usage', saying which there are. */
export function attackerNamed(name: string): Attacker {
  const found = ATTACKERS.find((attacker) => attacker.name === name);
  if (found === undefined) {
    const names = ATTACKERS.map((attacker) => attacker.name).join(', ');
    throw new PeerError('usage', `there is no attacker ${name}; there are: ${names}`);
  }
  return found;
}
