/**
 * Role: sends again what has been sent: its own datagrams in sessions and handshakes, later and from another port, what it hears back to
 * who sent it, and onions that have been accepted.
 *
 * Not here: replayed cells of the KX.
 */

import { createSocket } from 'node:dgram';
import type { Contact } from '../../../dht/contact.js';
import type { Endpoint } from '../../../dht/environment.js';
import { encodeExitRequest } from '../../../dht/private/exit-message.js';
import { slotAt, wrapOnion } from '../../../dht/private/onion.js';
import { LEG_TOKEN_BYTES } from '../../../dht/rpc-message.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { type HostileIdentity, ownIdentity } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

const ROUND_MS = 100;
const MOST_KEPT = 200;
const REPLAYS_A_ROUND = 10;
const ONION_COPIES = 3;
const SEALED = 0x13;

interface Kept {
  readonly to: Endpoint;
  readonly bytes: Buffer;
}

export const dhtReplay: Attacker = {
  name: 'dht-replay',
  what: 'sends datagrams, handshakes and onions again, from its own and from another port, and echoes what it hears',
  counters: [
    'dht.state.node.counters.dropReplayed',
    'dht.state.node.counters.dropUnknownSession',
    'dht.state.node.counters.dropOnionReplayed',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const identity = await ownIdentity(config, over);
  if (identity === null) return;
  const kept: Kept[] = [];
  const keep = (to: Endpoint, bytes: Buffer) => {
    if (kept.length < MOST_KEPT) kept.push({ to, bytes });
    else kept[random.integer(MOST_KEPT)] = { to, bytes };
  };
  let replaying = false;
  const peer = await HostilePeer.open(attack, identity, {
    answers: () => ({ kind: 'pong' }),
    wire: {
      onSent: (to, bytes) => {
        if (!replaying) keep(to, bytes);
      },
      // An echo: whoever takes its own words for an answer would believe itself.
      onReceived: (from, bytes) => {
        if (bytes[0] === SEALED) keep(from, Buffer.from(bytes));
      },
    },
  });
  const elsewhere = createSocket('udp4');
  elsewhere.on('error', () => {});
  const mingling = peer.mingle();
  attack.begin();
  while (!over.aborted) {
    for (const { to, bytes } of random.shuffled(kept).slice(0, REPLAYS_A_ROUND)) {
      replaying = true;
      peer.send(to, bytes);
      replaying = false;
      count('datagrams replayed');
      if (to.family !== 4) continue;
      elsewhere.send(bytes, to.port, to.host);
      count('datagrams replayed from elsewhere');
    }
    for (const contact of peer.known.values()) void replayOnion(attack, identity, peer, contact);
    await pause(ROUND_MS, over);
  }
  await mingling;
  elsewhere.close();
  await peer.close();
}

/** One onion, each time under another token: the node must know it again. */
async function replayOnion(
  { random, count }: Attack,
  { onions }: HostileIdentity,
  peer: HostilePeer,
  contact: Contact,
): Promise<void> {
  const probe = encodeExitRequest({ kind: 'probe' });
  const onion = wrapOnion(onions, random, [contact], probe, slotAt(Date.now()));
  if (onion === null) return;
  for (let copy = 0; copy < ONION_COPIES; copy++) {
    const token = random.bytes(LEG_TOKEN_BYTES);
    const answer = await peer.ask(contact, { kind: 'relay', token, onion: onion.bytes });
    if (answer?.kind !== 'taken') return;
    count(copy === 0 ? `onions ${answer.verdict}` : `copies of them ${answer.verdict}`);
  }
}
