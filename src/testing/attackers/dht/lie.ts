/**
 * Role: lies in routing: it names nodes that there are not, real ones where they are not, itself as the holder of every content, and
 * a KX where nobody listens.
 *
 * Not here: many that lie together (sybil.ts).
 */

import type { UnverifiedContact } from '../../../dht/contact.js';
import { K } from '../../../dht/network.js';
import { fitFound, type KxAddress } from '../../../dht/rpc-message.js';
import type { Attack, Attacker } from '../attacker.js';
import { ownIdentity } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

const FORGED = Buffer.from('nothing of what you look for', 'ascii');
/** For documentation (RFC 5737): nobody is there. */
const NOWHERE: KxAddress = { port: 9, ipv4: Buffer.of(192, 0, 2, 1), ipv6: null };

export const dhtLie: Attacker = {
  name: 'dht-lie',
  what: 'lies in routing: invents nodes, moves real ones elsewhere, forges contents and addresses of KX',
  counters: ['dht.state.node.counters.dropContact'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const identity = await ownIdentity(config, over);
  if (identity === null) return;
  const invented = (real: UnverifiedContact): UnverifiedContact => ({
    ...real,
    ...{ identity: random.bytes(32), proof: { ...real.proof, nonce: random.bytes(8) } },
  });
  /** Where nobody listens, on the attacker's own host: what is sent there harms no third party. */
  const moved = (real: UnverifiedContact): UnverifiedContact => {
    const { ipv4, ipv6 } = identity.contact;
    return { ...real, ipv4, ipv6, port: 40_000 + random.integer(20_000) };
  };
  const peer: HostilePeer = await HostilePeer.open(attack, identity, {
    answers: (_, request, budget) => {
      if (request.kind === 'ping') return { kind: 'pong' };
      if (request.kind === 'relay' || request.kind === 'relayed') return { kind: 'taken', verdict: 'taken' };
      if (request.kind !== 'find') return { kind: 'stored', verdict: 'stored' };
      const lies = [...peer.known.values()].flatMap((real) => [moved(real), invented(real)]);
      const told = random.shuffled(lies).slice(0, K);
      count('contacts lied about', told.length);
      if (request.wantValues) count('contents forged');
      if (request.wantKx) count('KX addresses forged');
      return fitFound(
        {
          kx: request.wantKx ? NOWHERE : null,
          ...(request.wantValues
            ? { valuesDigest: random.bytes(16), values: [FORGED] }
            : { valuesDigest: null, values: [] }),
          closest: () => told,
        },
        budget,
      );
    },
  });
  attack.begin();
  await peer.mingle();
  await peer.close();
}
