/**
 * Role: tells the engine which first hops to cover (design 3): the pinned ones, as long as there is any tunnel.
 *
 * Invariants: the engine hears only of changes; a peer that only relays makes no cover.
 *
 * Not here: the beat itself (the engine), pins (guards.ts).
 */

import type { Engine, Hop } from '../engine/kx.js';

/** First hops that are covered at once; the idle rate is shared among them. */
const MAX_COVERED = 2;

export class Cover {
  readonly #engine: Pick<Engine, 'command'>;
  readonly #calls: number;
  #told = '';

  /** `calls`: how many at once are to be hidden; 0: no cover. */
  constructor(engine: Pick<Engine, 'command'>, calls: number) {
    this.#engine = engine;
    this.#calls = calls;
  }

  /** To be called whenever tunnels or first hops may have changed. */
  update(hasTunnels: boolean, firstHops: readonly Hop[]): void {
    if (this.#calls === 0) return;
    const peers = hasTunnels ? firstHops.slice(0, MAX_COVERED) : [];
    const wanted = peers
      .map(({ identity, address, port }) => `${identity.toString('hex')} ${address} ${port}`)
      .join();
    if (wanted === this.#told) return;
    this.#told = wanted;
    const hops = peers.map(({ identity, address, port }) => ({ identity, address, port }));
    this.#engine.command({ type: 'cover', calls: this.#calls, peers: hops });
  }
}
