/**
 * Bounds what the PUTs of others have an exit send: by the copies that they ask for, large ones counted several times.
 *
 * Invariants: a PUT is paid for as a whole or not at all, by its source and by the budget of all; one of most copies and
 * bytes (Spec 3.1.2: replication up to 255) fits a source that has asked for little before. Not here: lookups (exit.ts).
 */
import { BoundedMap } from '../bounded-map.js';

const COPIES_PER_SECOND = 20;
const COPY_BURST = 2_400;
const ALL_PER_SECOND = 40;
const ALL_BURST = 4_800;
const SOURCES = 4_096;
/** A copy counts once for each such part of it. */
const PART_BYTES = 8_192;

/** What a PUT costs. */
export const copiesOf = (replication: number, contentBytes: number) =>
  replication * Math.max(1, Math.ceil(contentBytes / PART_BYTES));

class Bucket {
  #left: number;
  #atMs = 0;

  constructor(
    readonly perSecond: number,
    readonly burst: number,
  ) {
    this.#left = burst;
  }

  left(nowMs: number): number {
    const gained = (Math.max(0, nowMs - this.#atMs) / 1000) * this.perSecond;
    this.#left = Math.min(this.burst, this.#left + gained);
    this.#atMs = nowMs;
    return this.#left;
  }

  take(copies: number): void {
    this.#left -= copies;
  }
}

export class CopyLimit {
  readonly #ofSource = new BoundedMap<string, Bucket>(SOURCES);
  readonly #ofAll = new Bucket(ALL_PER_SECOND, ALL_BURST);

  /** Whether `source` may have `copies` more made at `nowMs`. */
  allow(source: string, copies: number, nowMs: number): boolean {
    const own = this.#ofSource.get(source) ?? new Bucket(COPIES_PER_SECOND, COPY_BURST);
    if (own.left(nowMs) < copies || this.#ofAll.left(nowMs) < copies) return false;
    own.take(copies);
    this.#ofAll.take(copies);
    this.#ofSource.set(source, own);
    return true;
  }
}
