/**
 * Role: sends the KX of all others what no KX would send: datagrams of strangers, of every kind and size, and over genuine links
 * and circuits cells and messages that are none.
 *
 * Not here: those cells and messages (crates/kx/src/attacks.rs).
 */

import { createSocket } from 'node:dgram';
import type { SeededRandom } from '../../../eval/sim/seeded-random.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';

const ROUND_MS = 20;
/** Against each peer, a round. */
const DATAGRAMS = 10;
const CELLS_A_SECOND = 200;
const DATAGRAM_BYTES = 384;
/** First bytes: hello, cookie, handshake, sealed, lost, and one more. */
const KINDS = 7;
const LONGEST = 1_400;

export const kxMalformed: Attacker = {
  name: 'kx-malformed',
  what: 'sends KX modules malformed datagrams, and malformed cells over genuine links and circuits',
  counters: [
    'kx.state.engine.counters.datagrams_malformed',
    'kx.state.engine.counters.datagrams_unknown_link',
    'kx.state.engine.counters.cookies_refused',
    'kx.state.engine.counters.cells_malformed',
    'kx.state.engine.counters.circuits_refused',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { over, count, random } = attack;
  const peer = await LyingPeer.start(attack);
  const socket = createSocket('udp4').on('error', () => {});
  try {
    const others = await peer.others();
    for (const other of others) {
      const pseudoIdentity = random.bytes(32);
      const order = { pseudoIdentity, path: [other], token: pseudoIdentity };
      peer.command({ type: 'buildIncoming', tunnel: peer.newTunnel(), ...order });
    }
    peer.lie({ lie: 'malformed', percent: 0, perSecond: CELLS_A_SECOND });
    attack.begin();
    while (!over.aborted) {
      for (const { port, address } of others) {
        for (let sent = 0; sent < DATAGRAMS; sent += 1) socket.send(malformed(random), port, address);
        count('malformed datagrams', DATAGRAMS);
      }
      peer.tell();
      await pause(ROUND_MS, over);
    }
  } finally {
    socket.close();
    await peer.close();
  }
}

/** Most have the right size, which gets further. */
function malformed(random: SeededRandom): Buffer {
  const bytes = random.bytes(random.fraction() < 0.8 ? DATAGRAM_BYTES : random.integer(LONGEST));
  if (bytes.length > 0) bytes[0] = random.integer(KINDS);
  return bytes;
}
