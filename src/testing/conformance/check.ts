/**
 * Role: what a check is: one requirement of the specification that can be observed at one module's API.
 *
 * Invariants: an address is stable: MODULE/SECTION/NAME; it names the requirement, not the way in which it is tried.
 *
 * Not here: the checks (api-checks.ts, dht-checks.ts, kx-checks.ts), how they are run (run-checks.ts).
 */

import type { Bench } from './bench.js';

export type TestedModule = 'dht' | 'kx';

export interface Check {
  /** `dht/3.1.3/target-replies-without-data`. */
  readonly address: string;
  /** Recommended: the specification leaves it open, or says it of senders only, and all is well only if everybody does it. */
  readonly level: 'required' | 'recommended';
  /** The requirement in a sentence. */
  readonly text: string;
  /** Resolves if it holds; rejects with CheckFailed or NotChecked. */
  readonly run: (bench: Bench) => Promise<void>;
}

/** The requirement does not hold; the message says what was seen instead. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** It cannot be told here whether it holds; the message says what is missing. */
export class NotChecked extends Error {
  override readonly name = 'NotChecked';
}

/** Throws CheckFailed with `text` unless `holds`. */
export function expect(holds: boolean, text: string): asserts holds {
  if (!holds) throw new CheckFailed(text);
}
