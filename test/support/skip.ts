/**
 * Role: how a test says that this machine cannot run it.
 *
 * Invariants: a skipped test is reported with its reason and never counted as passed; where CI=true it
 * counts as failed.
 *
 * Not here: what is there on this machine.
 */

const MARK = Symbol.for('peer.test.skip');

/** Ends the test that calls it, as skipped. `reason` says what is missing. */
export function skip(reason: string): never {
  throw Object.assign(new Error(`skipped: ${reason}`), { [MARK]: reason });
}

/** The reason, if `error` comes from {@link skip}. */
export function skipReason(error: unknown): string | null {
  const reason =
    typeof error === 'object' && error !== null ? (error as { [MARK]?: unknown })[MARK] : undefined;
  return typeof reason === 'string' ? reason : null;
}
