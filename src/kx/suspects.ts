/**
 * Role: peers that stood on a circuit which has just broken: passed over, where others will do, longest the latest.
 *
 * Why: whoever tears a circuit down does not say which hop has died, and asking a dead one again costs seconds in the
 * middle of a call. Passing over is no judgement: it neither shortens a pin nor makes new ones, so that a first hop
 * which breaks circuits on purpose cannot walk this peer through its second hops (pinned-peers.ts).
 *
 * Not here: failures of a known hop (guards.ts), the choice itself (path.ts).
 */

import type { Candidate } from './peer-pool.js';

const SUSPECTED_MS = 60_000;
const MAX_SUSPECTS = 256;

export class Suspects {
  /** Since when, by identity; Unix milliseconds. */
  readonly #since = new Map<string, number>();

  /** `now`: Unix milliseconds. */
  add(peer: Candidate, now: number): void {
    const key = peer.identity.toString('hex');
    this.#since.delete(key);
    this.#since.set(key, now);
    const [oldest] = this.#since.keys();
    if (this.#since.size > MAX_SUSPECTS && oldest !== undefined) this.#since.delete(oldest);
  }

  /** A circuit through it works. */
  clear(peer: Candidate): void {
    this.#since.delete(peer.identity.toString('hex'));
  }

  /** When it was suspected last, in Unix milliseconds; 0 where that is long ago, or never was. */
  since(peer: Candidate, now: number): number {
    const since = this.#since.get(peer.identity.toString('hex')) ?? 0;
    return now - since < SUSPECTED_MS ? since : 0;
  }
}
