/**
 * Role: the frame of attackers that send something to the KX of all others, round after round: as a peer that lies over its links, and as
 * a stranger from a socket that has none.
 *
 * Not here: what they send (flood.ts, malformed.ts, crates/kx/src/attacks).
 */

import { createSocket } from 'node:dgram';
import type { Candidate } from '../../../kx/peer-pool.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';

const ROUND_MS = 20;

export interface Siege {
  readonly attack: Attack;
  readonly peer: LyingPeer;
  readonly others: readonly Candidate[];
  /** Sends a datagram of a stranger's. */
  readonly send: (datagram: Buffer, to: Candidate) => void;
}

/** `lie`: what the engine does meanwhile, so many cells a second on each link. `prepare`: before it begins; what it gives is one round. */
export function inRounds(
  lie: { readonly lie: 'flood' | 'malformed'; readonly perSecond: number },
  prepare: (siege: Siege) => () => void,
): Attacker['run'] {
  return LyingPeer.attack(async (peer, attack) => {
    const { over } = attack;
    const socket = createSocket('udp4').on('error', () => {});
    try {
      const send = (datagram: Buffer, { port, address }: Candidate) => socket.send(datagram, port, address);
      const round = prepare({ attack, peer, others: await peer.others(), send });
      peer.lie({ ...lie, percent: 0 });
      attack.begin();
      while (!over.aborted) {
        round();
        peer.tell();
        await pause(ROUND_MS, over);
      }
    } finally {
      socket.close();
    }
  });
}
