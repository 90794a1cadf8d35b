/**
 * Role: sends the KX of all others what no KX would send: datagrams of strangers, of every kind and size, and over genuine links
 * and circuits cells and messages that are none.
 *
 * Not here: those cells and messages (crates/kx/src/attacks.rs).
 */

import type { SeededRandom } from '../../../eval/sim/seeded-random.js';
import type { Attacker } from '../attacker.js';
import { inRounds } from './rounds.js';

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
  run: inRounds({ lie: 'malformed', perSecond: CELLS_A_SECOND }, ({ attack, peer, others, send }) => {
    const { count, random } = attack;
    for (const other of others) peer.begin(other, random.bytes(32));
    return () => {
      for (const other of others) {
        for (let sent = 0; sent < DATAGRAMS; sent += 1) send(malformed(random), other);
        count('malformed datagrams', DATAGRAMS);
      }
    };
  }),
};

/** Most have the right size, which gets further. */
function malformed(random: SeededRandom): Buffer {
  const bytes = random.bytes(random.fraction() < 0.8 ? DATAGRAM_BYTES : random.integer(LONGEST));
  if (bytes.length > 0) bytes[0] = random.integer(KINDS);
  return bytes;
}
