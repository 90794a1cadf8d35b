/**
 * Role: a relay that is gone without a word when it hurts most, and comes back: right after it has answered a CREATE, while it
 * extends a circuit, in the middle of a call.
 *
 * Not here: what dies and comes back (lying-peer.ts).
 */

import { type Attacker, pause } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';

const LOOK_EVERY_MS = 2;
/** Fragments of one CREATED and one CREATE. */
const CREATED_CELLS = 7;
const CREATE_CELLS = 4;
/** About four seconds of a call. */
const CARRIED_CELLS = 400;
/** A moment that does not come is waited for no longer. */
const PATIENCE_MS = 60_000;
const LEAST_DOWN_MS = 200;
const MOST_DOWN_MS = 4_000;

/** Counts of the engine's, and how far each has to go. */
const MOMENTS = [
  { what: 'crashes in a call', count: 'cells_carried', enough: CARRIED_CELLS },
  { what: 'crashes after a CREATE', count: 'creates_answered', enough: CREATED_CELLS },
  { what: 'crashes while extending', count: 'creates_sent', enough: CREATE_CELLS },
] as const;

export const kxCrash: Attacker = {
  name: 'kx-crash',
  what: 'is a relay that is gone without a word in the middle of circuits, and comes back',
  counters: ['kx.state.engine.counters.links_silent', 'kx.state.tunnels.counters.repaired'],
  waitsFor: 'call',
  run: LyingPeer.attack(async (peer, attack) => {
    const { over, random, count } = attack;
    await peer.untilInCall();
    attack.begin();
    for (let round = 0; !over.aborted; round += 1) {
      const { what, count: name, enough } = MOMENTS[round % MOMENTS.length] ?? MOMENTS[0];
      const watch = peer.lie({ lie: 'none', percent: 0 });
      const end = performance.now() + PATIENCE_MS;
      while (!over.aborted && (watch.done()[name] ?? 0) < enough && performance.now() < end) {
        await pause(LOOK_EVERY_MS, over);
      }
      if ((watch.done()[name] ?? 0) < enough) continue;
      count(what);
      await peer.crash(LEAST_DOWN_MS + random.integer(MOST_DOWN_MS - LEAST_DOWN_MS));
    }
  }),
};
