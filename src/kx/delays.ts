/**
 * Role: how long the links between peers on this peer's paths take, and what it costs to prefer the quick ones.
 *
 * Invariants: measured on circuits that were built anyway, never by probing; bounded; a link that was not measured counts
 * as an average one, so that it has its turn.
 *
 * A link that had to be set up first, and one behind a hop that was slow once, look slower or quicker than they are for a
 * while: the preference is mild, and is to be no more than that.
 *
 * Not here: the choice of a path (path.ts).
 */

import type { Candidate } from './peer-pool.js';

const MAX_LINKS = 2_048;
/** A shorter measure counts at once (the links had to be set up before), this part of a longer one. */
const LONGER = 0.3;

export class Delays {
  readonly #self: string;
  /** Milliseconds there and back, by the two ends; the one measured longest ago first. */
  readonly #links = new Map<string, number>();

  /** `self`: peer identity. */
  constructor(self: Buffer) {
    this.#self = self.toString('hex');
  }

  /** `stepMs`: how long each hop of `path` took to answer its handshake; 0 where that is not known. */
  note(path: readonly Candidate[], stepMs: readonly number[]): void {
    for (const [index, key] of this.#keys(path).entries()) {
      const [step = 0, before = 0] = [stepMs[index], index === 0 ? 0 : stepMs[index - 1]];
      if (step <= 0 || (index > 0 && before <= 0)) continue;
      const measured = step - before;
      // The hop before was slower then than now.
      if (measured <= 0) continue;
      const known = this.#links.get(key) ?? measured;
      this.#links.delete(key);
      this.#links.set(key, Math.min(measured, known + (measured - known) * LONGER));
      const [oldest] = this.#links.keys();
      if (this.#links.size > MAX_LINKS && oldest !== undefined) this.#links.delete(oldest);
    }
  }

  /** Milliseconds there and back over all hops of `path`, as far as one can tell. */
  estimate(path: readonly Candidate[]): number {
    const all = [...this.#links.values()];
    const average = all.reduce((sum, delay) => sum + delay, 0) / Math.max(all.length, 1);
    return this.#keys(path).reduce((sum, key) => sum + (this.#links.get(key) ?? average), 0);
  }

  #keys(path: readonly Candidate[]): string[] {
    const names = [this.#self, ...path.map(({ identity }) => identity.toString('hex'))];
    return names.slice(1).map((name, index) => `${names[index]} ${name}`);
  }
}

/**
 * What is given up, in bits of what a path hides, by taking the quicker of two that are drawn from `ways` equally likely
 * ones: log2(ways) less the entropy of the choice, for somebody who knows all delays. At most 0.28.
 */
export function preferenceCostBits(ways: number): number {
  let entropy = 0;
  for (let rank = 1; rank <= ways; rank += 1) {
    const likelihood = (2 * rank - 1) / ways ** 2;
    entropy -= likelihood * Math.log2(likelihood);
  }
  return Math.log2(ways) - entropy;
}
