/**
 * Role: floods the KX of all others: with hellos, whole handshakes, circuits that are begun and thrown away, and cells.
 *
 * Not here: the cells (crates/kx/src/attacks.rs).
 */

import { createSocket } from 'node:dgram';
import type { Candidate } from '../../../kx/peer-pool.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';

const ROUND_MS = 20;
/** Against each peer, a round. */
const HELLOS = 20;
const HANDSHAKES = 1;
const CIRCUITS = 6;
/** How many of its circuits to one peer the attacker keeps; the oldest makes room. */
const CIRCUITS_KEPT = 40;
const CELLS_A_SECOND = 1_000;
const DATAGRAM_BYTES = 384;
const HELLO = 1;

export const kxFlood: Attacker = {
  name: 'kx-flood',
  what: 'floods KX modules with hellos, handshakes, circuits and cells',
  counters: [
    'kx.state.engine.counters.datagrams_of_handshakes',
    'kx.state.engine.counters.circuits_over_limit',
    'kx.state.engine.counters.cells_unknown_circuit',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { over, count, random } = attack;
  const peer = await LyingPeer.start(attack);
  const socket = createSocket('udp4').on('error', () => {});
  try {
    const others = await peer.others();
    peer.lie({ lie: 'flood', percent: 0, perSecond: CELLS_A_SECOND });
    attack.begin();
    const kept = new Map<Candidate, number[]>(others.map((other) => [other, []]));
    while (!over.aborted) {
      for (const [other, tunnels] of kept) {
        for (let sent = 0; sent < HELLOS; sent += 1) {
          const hello = random.bytes(DATAGRAM_BYTES);
          hello[0] = HELLO;
          socket.send(hello, other.port, other.address);
        }
        count('hellos', HELLOS);
        for (let begun = 0; begun < HANDSHAKES; begun += 1) {
          // A whole handshake for the other side: that it is not the one that was asked for shows at its end.
          begin(peer, { ...other, identity: random.bytes(32) }, random.bytes(32));
        }
        count('handshakes', HANDSHAKES);
        for (let begun = 0; begun < CIRCUITS; begun += 1) {
          tunnels.push(begin(peer, other, random.bytes(32)));
        }
        count('circuits', CIRCUITS);
        for (const tunnel of tunnels.splice(0, Math.max(0, tunnels.length - CIRCUITS_KEPT))) {
          peer.command({ type: 'destroy', tunnel });
        }
      }
      peer.tell();
      await pause(ROUND_MS, over);
    }
  } finally {
    socket.close();
    await peer.close();
  }
}

/** A circuit of one hop; its tunnel. */
function begin(peer: LyingPeer, hop: Candidate, pseudoIdentity: Buffer): number {
  const tunnel = peer.newTunnel();
  peer.command({ type: 'buildIncoming', tunnel, pseudoIdentity, path: [hop], token: pseudoIdentity });
  return tunnel;
}
