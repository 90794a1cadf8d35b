/**
 * Role: floods the KX of all others: with hellos, whole handshakes, circuits that are begun and thrown away, and cells.
 *
 * Not here: the cells (crates/kx/src/attacks).
 */

import type { Attacker } from '../attacker.js';
import { inRounds } from './rounds.js';

/** Against each peer, a round. */
const HELLOS = 20;
const HANDSHAKES = 1;
/** Against each peer, also where a slow machine makes few rounds: half as many again as a link may begin. */
const CIRCUITS_A_SECOND = 150;
/** First more than a link may begin at once. */
const CIRCUITS_FIRST = 450;
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
  run: inRounds({ lie: 'flood', perSecond: CELLS_A_SECOND }, ({ attack, peer, others, send }) => {
    const { count, random } = attack;
    const kept = others.map((other) => ({ other, tunnels: [] as number[] }));
    let [owed, owedAt] = [CIRCUITS_FIRST, performance.now()];
    return () => {
      const now = performance.now();
      owed = Math.min(owed + ((now - owedAt) / 1_000) * CIRCUITS_A_SECOND, CIRCUITS_FIRST);
      owedAt = now;
      const circuits = Math.min(Math.floor(owed), CIRCUITS_KEPT);
      owed -= circuits;
      for (const { other, tunnels } of kept) {
        for (let sent = 0; sent < HELLOS; sent += 1) {
          const hello = random.bytes(DATAGRAM_BYTES);
          hello[0] = HELLO;
          send(hello, other);
        }
        count('hellos', HELLOS);
        for (let begun = 0; begun < HANDSHAKES; begun += 1) {
          // A whole handshake for the other side: that it is not the one that was asked for shows at its end.
          peer.begin({ ...other, identity: random.bytes(32) }, random.bytes(32));
        }
        count('handshakes', HANDSHAKES);
        for (let begun = 0; begun < circuits; begun += 1) tunnels.push(peer.begin(other, random.bytes(32)));
        count('circuits', circuits);
        for (const tunnel of tunnels.splice(0, Math.max(0, tunnels.length - CIRCUITS_KEPT))) {
          peer.command({ type: 'destroy', tunnel });
        }
      }
    };
  }),
};
