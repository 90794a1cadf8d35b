/**
 * Role: many identities of one attacker that hang together about a key: they name nobody but each other, take what is to be stored
 * there and hide it from all but who brought it.
 *
 * With a key, the closest of CANDIDATES identities stand in: each has cost a puzzle, which is what an eclipse costs. Without one, those
 * that cost least, against whatever key they are near.
 * Not here: what they answer (eval/sim/collusion.ts, as in the simulator).
 */

import type { Contact } from '../../../dht/contact.js';
import { compareDistance } from '../../../dht/distance.js';
import type { KxAddress } from '../../../dht/rpc-message.js';
import { colludingAnswers } from '../../../eval/sim/collusion.js';
import { PositionIndex } from '../../../eval/sim/position-index.js';
import type { Attack, Attacker } from '../attacker.js';
import { type HostileIdentity, moreIdentities } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

const SYBILS = 8;
const CANDIDATES = 32;

export const dhtSybil: Attacker = {
  name: 'dht-sybil',
  what: `is ${SYBILS} nodes on one host, the closest to a key of ${CANDIDATES}, that know and answer only each other: an eclipse`,
  counters: ['dht.state.node.counters.dropPrefix'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, key, count } = attack;
  const identities: HostileIdentity[] = [];
  for await (const identity of moreIdentities(config, key === null ? SYBILS : CANDIDATES, over)) {
    identities.push(identity);
    count('positions found');
  }
  if (over.aborted) return;
  const chosen = key === null ? identities : closestTo(key, identities);
  const clique = new PositionIndex(chosen.map(({ contact }) => contact));
  const peers = await Promise.all(
    chosen.map((identity) => {
      const collude = colludingAnswers(identity.contact, kxOf(identity.contact), clique, { hide: true });
      return HostilePeer.open(attack, identity, {
        answers: (from, request, budget) => {
          count(request.kind === 'find' ? 'searches led astray' : `${request.kind} requests taken`);
          return collude(from, request, budget);
        },
      });
    }),
  );
  attack.begin();
  await Promise.all(peers.map((peer) => peer.mingle()));
  await Promise.all(peers.map((peer) => peer.close()));
}

function closestTo(key: Buffer, identities: readonly HostileIdentity[]): HostileIdentity[] {
  const byDistance = (a: HostileIdentity, b: HostileIdentity) =>
    compareDistance(key, a.contact.position, b.contact.position);
  return [...identities].sort(byDistance).slice(0, SYBILS);
}

/** Where nobody listens, on the attacker's own host. */
function kxOf({ ipv4 }: Contact): KxAddress {
  return { port: 9, ipv4: ipv4 === null ? null : Buffer.from(ipv4.split('.').map(Number)), ipv6: null };
}
