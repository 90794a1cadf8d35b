/**
 * Bounds what the PUTs of others have an exit send: by the copies that they ask for, large ones counted several times.
 *
 * Invariants: a PUT is paid for as a whole or not at all, by its source and by the budget of all; one of most copies and
 * bytes (Spec 3.1.2: replication up to 255) fits a source that has asked for little before. Not here: lookups (exit.ts).
 */
import { RateLimit } from '../rate-limit.js';

const COPIES_PER_SECOND = 20;
const COPY_BURST = 2_400;
const ALL_PER_SECOND = 40;
const ALL_BURST = 4_800;
const ALL = '';
/** A copy counts once for each such part of it. */
const PART_BYTES = 8_192;

/** What a PUT costs. */
export const copiesOf = (replication: number, contentBytes: number) =>
  replication * Math.max(1, Math.ceil(contentBytes / PART_BYTES));

export class CopyLimit {
  readonly #ofSource = new RateLimit(COPIES_PER_SECOND, COPY_BURST);
  readonly #ofAll = new RateLimit(ALL_PER_SECOND, ALL_BURST, 1);

  /** Whether `source` may have `copies` more made at `nowMs`. */
  allow(source: string, copies: number, nowMs: number): boolean {
    if (!this.#ofSource.allow(source, nowMs, copies)) return false;
    if (this.#ofAll.allow(ALL, nowMs, copies)) return true;
    this.#ofSource.refund(source, nowMs, copies);
    return false;
  }
}
