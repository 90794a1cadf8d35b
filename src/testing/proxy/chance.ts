/**
 * Role: the proxy's chance: numbers that follow from a seed and from what they are for.
 *
 * Invariants: no state: what a rule decides about one message hangs on no other rule, connection or message, so that the
 * same seed and the same traffic give the same decisions however connections interleave.
 *
 * Not here: what is decided (rule-set.ts, plan.ts).
 */

import { createHash } from 'node:crypto';

/** From 0 up to, but not including, 1. */
export function chance(seed: number, ...what: readonly (string | number)[]): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, ...what]))
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}
