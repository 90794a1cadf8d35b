/**
 * Role: a node that is right and late: it knows everybody, tells all that it knows, and keeps every datagram back until about when
 * others stop waiting for it.
 *
 * Not here: answers that never come (drop.ts).
 */

import { compareDistance } from '../../../dht/distance.js';
import { K } from '../../../dht/network.js';
import { fitFound } from '../../../dht/rpc-message.js';
import type { Attack, Attacker } from '../attacker.js';
import { ownIdentity } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

/** From less than a search waits to more than a request does (src/dht/round-trip.ts). */
const DELAY_MS = { least: 200, most: 2_000 } as const;

export const dhtDelay: Attacker = {
  name: 'dht-delay',
  what: 'answers rightly, but 0.2 to 2 s late, about when nobody waits any more',
  counters: ['dht.state.node.counters.requestsFailed', 'dht.state.node.counters.dropUnknownSession'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const identity = await ownIdentity(config, over);
  if (identity === null) return;
  const peer: HostilePeer = await HostilePeer.open(attack, identity, {
    delayMs: () => DELAY_MS.least + random.integer(DELAY_MS.most - DELAY_MS.least),
    answers: (from, request, budget) => {
      count('answers kept back');
      if (request.kind === 'find') {
        const closest = [...peer.known.values()]
          .filter(({ id }) => id !== from.id)
          .sort((a, b) => compareDistance(request.key, a.position, b.position));
        return fitFound(
          { kx: null, valuesDigest: null, values: [], closest: () => closest.slice(0, K) },
          budget,
        );
      }
      if (request.kind === 'ping') return { kind: 'pong' };
      if (request.kind === 'relay' || request.kind === 'relayed') return { kind: 'taken', verdict: 'busy' };
      return { kind: 'stored', verdict: 'refused' };
    },
  });
  attack.begin();
  await peer.mingle();
  await peer.close();
}
