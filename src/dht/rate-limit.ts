/** Token buckets, one a source, in a bounded table. Not here: what a source is (address.ts) and what is limited. */
import { BoundedMap } from './bounded-map.js';

interface Bucket {
  tokens: number;
  at: number;
}

/** Buckets that are looked at for each new one. */
const LOOKED_AT = 4;

export class RateLimit {
  readonly #buckets: BoundedMap<string, Bucket>;

  /** @param perSecond sustained rate @param burst most tokens a source can have @param sources bound of the table */
  constructor(
    readonly perSecond: number,
    readonly burst: number,
    sources = 4096,
  ) {
    this.#buckets = new BoundedMap(sources);
  }

  /** Whether `source` may do so much more at `nowMs`, which is then taken. */
  allow(source: string, nowMs: number, amount = 1): boolean {
    const bucket = this.#bucket(source, nowMs);
    if (bucket.tokens < amount) return false;
    bucket.tokens -= amount;
    return true;
  }

  /** Takes back what was allowed and not done. */
  refund(source: string, nowMs: number, amount: number): void {
    this.#bucket(source, nowMs).tokens += amount;
  }

  #bucket(source: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(source);
    if (!bucket) {
      this.#forgetFull(nowMs);
      bucket = { tokens: this.burst, at: nowMs };
      this.#buckets.set(source, bucket);
    }
    bucket.tokens = Math.min(
      this.burst,
      bucket.tokens + (Math.max(0, nowMs - bucket.at) / 1000) * this.perSecond,
    );
    bucket.at = nowMs;
    return bucket;
  }

  /** A bucket that is full again says no more than none. */
  #forgetFull(nowMs: number): void {
    for (let count = 0; count < LOOKED_AT; count++) {
      const oldest = this.#buckets.oldest();
      if (!oldest) return;
      const [source, bucket] = oldest;
      this.#buckets.delete(source);
      const gained = ((nowMs - bucket.at) / 1000) * this.perSecond;
      if (bucket.tokens + gained < this.burst) this.#buckets.set(source, bucket);
    }
  }
}
