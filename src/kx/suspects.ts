/**
 * Role: peers that stood on a circuit which has just broken: passed over for a while, where others will do.
 *
 * Why: whoever tears a circuit down does not say which hop has died, and asking a dead one again costs seconds in the
 * middle of a call. Passing over is no judgement: it neither shortens a pin nor makes new ones, so that a first hop
 * which breaks circuits on purpose cannot walk this peer through its second hops (pinned-peers.ts).
 *
 * Not here: failures of a known hop (guards.ts), the choice itself (path.ts).
 */

import type { Candidate } from './peer-pool.js';

const SUSPECTED_MS = 20_000;
const MAX_SUSPECTS = 256;

export class Suspects {
  /** Until when, by identity. */
  readonly #until = new Map<string, number>();

  /** `now`: Unix milliseconds. */
  add(peer: Candidate, now: number): void {
    const key = peer.identity.toString('hex');
    this.#until.delete(key);
    this.#until.set(key, now + SUSPECTED_MS);
    const [oldest] = this.#until.keys();
    if (this.#until.size > MAX_SUSPECTS && oldest !== undefined) this.#until.delete(oldest);
  }

  /** A circuit through it works. */
  clear(peer: Candidate): void {
    this.#until.delete(peer.identity.toString('hex'));
  }

  has(peer: Candidate, now: number): boolean {
    return (this.#until.get(peer.identity.toString('hex')) ?? 0) > now;
  }
}
