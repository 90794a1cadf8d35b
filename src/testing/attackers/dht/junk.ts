/**
 * Role: fills the stores of the nodes of the HOSTLIST: noise under any key, noise and forged signatures under the key that it is
 * against until that key is full, older versions of signed values, and contents that nobody may store.
 *
 * Not here: the same in the simulator, by the hundred thousand (eval/sim/junk-senders.ts).
 */

import type { Contact } from '../../../dht/contact.js';
import type { StoreItem } from '../../../dht/rpc-message.js';
import { PositionIndex } from '../../../eval/sim/position-index.js';
import { Signer } from '../../../eval/sim/signed-content.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { ownIdentity } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

const ROUND_MS = 20;
const PUTS_A_ROUND = 4;
const REPLICATION = 5;
const TTL_MS = 43_200_000;
const CONTENT_BYTES = 1_200;
const SIGNED_BYTES = 1_000;
const SIGNED_FOR_MS = 86_400_000;
const MAGIC = Buffer.from('PSV1', 'ascii');

export const dhtJunk: Attacker = {
  name: 'dht-junk',
  what: 'floods nodes with contents: noise, forged signatures under a key, old versions, more than a key may hold',
  counters: [
    'dht.state.node.counters.storesFull',
    'dht.state.node.counters.storesStale',
    'dht.state.node.counters.storesRefused',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const identity = await ownIdentity(config, over);
  if (identity === null) return;
  const peer = await HostilePeer.open(attack, identity, { answers: () => ({ kind: 'pong' }) });
  const mingling = peer.mingle();
  const victim = attack.key ?? random.bytes(32);
  const signer = new Signer(random);
  const send = async (contact: Contact, item: StoreItem) => {
    const answer = await peer.ask(contact, { kind: 'store', ...item });
    count(answer?.kind === 'stored' ? answer.verdict : 'without an answer');
  };
  attack.begin();
  for (let sequence = 1; !over.aborted; sequence++) {
    const others = new PositionIndex(peer.known.values());
    for (let puts = 0; puts < PUTS_A_ROUND; puts++) {
      const item = junk(attack, victim, signer, sequence);
      for (const contact of others.closest(item.key, REPLICATION)) void send(contact, item);
    }
    await pause(ROUND_MS, over);
  }
  await mingling;
  await peer.close();
}

function junk({ random }: Attack, victim: Buffer, signer: Signer, sequence: number): StoreItem {
  const limits = { ttlMs: TTL_MS, replication: REPLICATION };
  const content = random.bytes(CONTENT_BYTES);
  switch (random.integer(5)) {
    case 0:
      return { ...limits, key: random.bytes(32), content };
    case 1:
      return { ...limits, key: victim, content };
    case 2:
      MAGIC.copy(content);
      return { ...limits, key: victim, content };
    case 3: {
      const version = random.integer(2) === 0 ? sequence : 1;
      return { ...limits, ...signer.sign(version, Date.now() + SIGNED_FOR_MS, SIGNED_BYTES) };
    }
    default:
      return { ...limits, key: victim, content, ttlMs: random.integer(2) === 0 ? 0 : 2 * TTL_MS };
  }
}
