/**
 * Role: peers that stood on a circuit which has just broken or lost data: passed over, where others will do; first those that lost data
 * less often, then those longest ago.
 *
 * Why: whoever tears a circuit down does not say which hop has died, and asking a dead one again costs seconds in the
 * middle of a call. Passing over is no judgement: it neither shortens a pin nor makes new ones, so that a first hop
 * which breaks circuits on purpose cannot walk this peer through its second hops (pinned-peers.ts).
 *
 * Whoever drops cells of circuits that are built lets them be built first: that a circuit comes about through such a suspect says nothing.
 * Often the other end's hops are to blame, or the exchange point: who stands on one such circuit after the other is found by how often it did.
 *
 * Not here: failures of a known hop (guards.ts), the choice itself (path.ts).
 */

import type { Candidate } from './peer-pool.js';

const SUSPECTED_MS = 60_000;
const MAX_SUSPECTS = 256;

interface Suspicion {
  /** Unix milliseconds. */
  readonly since: number;
  /** How often it stood on a circuit that lost data. */
  readonly lossy: number;
}

/** More than any number of milliseconds. */
const LOSSY_WEIGHT = 1e13;
const MOST_LOSSY = 100;

export class Suspects {
  /** By identity. */
  readonly #all = new Map<string, Suspicion>();

  /** It stood on a circuit that broke. `now`: Unix milliseconds. */
  add(peer: Candidate, now: number): void {
    this.#put(peer, { since: now, lossy: this.#of(peer, now)?.lossy ?? 0 });
  }

  /** It stood on one that lost data or held it up. */
  addLossy(peer: Candidate, now: number): void {
    this.#put(peer, { since: now, lossy: Math.min((this.#of(peer, now)?.lossy ?? 0) + 1, MOST_LOSSY) });
  }

  /** A circuit through it was built. */
  clear(peer: Candidate): void {
    const key = peer.identity.toString('hex');
    if (this.#all.get(key)?.lossy === 0) this.#all.delete(key);
  }

  /** The higher, the rather it is passed over; 0 where it was suspected long ago, or never. */
  weigh(peer: Candidate, now: number): number {
    const suspicion = this.#of(peer, now);
    return suspicion === undefined ? 0 : suspicion.lossy * LOSSY_WEIGHT + suspicion.since;
  }

  #of(peer: Candidate, now: number): Suspicion | undefined {
    const suspicion = this.#all.get(peer.identity.toString('hex'));
    return suspicion !== undefined && now - suspicion.since < SUSPECTED_MS ? suspicion : undefined;
  }

  #put(peer: Candidate, suspicion: Suspicion): void {
    const key = peer.identity.toString('hex');
    this.#all.delete(key);
    this.#all.set(key, suspicion);
    const [oldest] = this.#all.keys();
    if (this.#all.size > MAX_SUSPECTS && oldest !== undefined) this.#all.delete(oldest);
  }
}
