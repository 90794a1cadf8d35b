/**
 * Role: relays that lie about the cells of circuits that pass them: they drop, hold up, replay, alter or mark them.
 *
 * Not here: the lies themselves (crates/kx/src/attacks/lie.rs), the peer around them (lying-peer.ts).
 */

import type { LieOrder } from '../../../engine/attacks.js';
import type { Attacker } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';

const ENGINE = 'kx.state.engine.counters';
const TUNNELS = 'kx.state.tunnels.counters';
/** More than a conversation bears. */
const DELAY_MS = 700;

export const kxDrop: Attacker = {
  name: 'kx-drop',
  what: 'is a relay that drops nearly all cells of circuits that are built',
  counters: [`${ENGINE}.flows_lossy`, `${TUNNELS}.lossy`],
  ...relay({ lie: 'drop', percent: 90 }),
};

export const kxDelay: Attacker = {
  name: 'kx-delay',
  what: `is a relay that holds all cells up for ${DELAY_MS} ms each way`,
  counters: [`${ENGINE}.circuits_slow`, `${TUNNELS}.lossy`],
  ...relay({ lie: 'delay', percent: 100, delayMs: DELAY_MS }),
};

export const kxReplay: Attacker = {
  name: 'kx-replay',
  what: 'is a relay that sends every cell three times, at once and later',
  counters: [`${ENGINE}.cells_replayed`],
  ...relay({ lie: 'replay', percent: 100 }),
};

export const kxModify: Attacker = {
  name: 'kx-modify',
  what: 'is a relay that alters every third cell',
  counters: [`${ENGINE}.cells_unrecognised`, `${TUNNELS}.lossy`],
  ...relay({ lie: 'modify', percent: 34 }),
};

export const kxTag: Attacker = {
  name: 'kx-tag',
  what: 'is a relay that marks every tenth cell, and looks for the marks of its kind as exchange point',
  counters: [`${ENGINE}.cells_unrecognised`],
  ...relay({ lie: 'tag', percent: 10 }),
};

function relay(order: Omit<LieOrder, 'seed'>): Pick<Attacker, 'waitsFor' | 'run'> {
  const run = LyingPeer.attack(async (peer, attack) => {
    await peer.untilInCall();
    peer.lie(order);
    attack.begin();
    await peer.tellUntilOver();
  });
  return { waitsFor: 'call', run };
}
