/**
 * Role: finds where a pseudo-identity can be reached.
 *
 * Invariants: only records under a valid signature of the pseudo-identity count, and the newest wins (Spec 3.3;
 * several contents under one key are expected).
 *
 * Not here: publishing (registration.ts).
 */

import type { ApiEndpoint } from '../api/client.js';
import { dhtGet } from '../api/dht-client.js';
import { decodeSignedValue } from '../identity/signed-value.js';
import { decodePresenceRecord, type PresenceRecord } from '../wire/presence-record.js';

const LOOKUP_TIMEOUT_MS = 15_000;
/** How long to wait for a newer record after the first valid one. */
const SETTLE_MS = 250;

export interface Search {
  /** The first valid record, as soon as it comes; `null` where the DHT has none. */
  readonly first: Promise<PresenceRecord | null>;
  /** The newest one, a moment later. */
  readonly newest: Promise<PresenceRecord | null>;
}

/**
 * Looks for the records of a pseudo-identity.
 *
 * Both reject with 'timeout', 'api-unreachable', 'api-closed', 'api-violation', 'aborted' (dhtGet).
 */
export function search(dht: ApiEndpoint, pseudoIdentity: Buffer, signal: AbortSignal): Search {
  let newest: { readonly sequence: bigint; readonly record: PresenceRecord } | null = null;
  let found: (record: PresenceRecord) => void = () => {};
  const early = new Promise<PresenceRecord>((resolve) => {
    found = resolve;
  });
  const counts = (content: Buffer): boolean => {
    const value = decodeSignedValue(content, pseudoIdentity, Math.floor(Date.now() / 1000));
    const record = value && decodePresenceRecord(value.payload);
    if (value === null || record === null) return false;
    if (newest === null || value.sequence > newest.sequence) newest = { sequence: value.sequence, record };
    found(record);
    return true;
  };
  const options = { timeoutMs: LOOKUP_TIMEOUT_MS, settleMs: SETTLE_MS, signal, counts };
  const all = dhtGet(dht, pseudoIdentity, options).then(
    () => (newest as { readonly record: PresenceRecord } | null)?.record ?? null,
  );
  // Whoever waits for the first one alone need not care for what becomes of the rest.
  all.catch(() => {});
  return { first: Promise.race([early, all]), newest: all };
}
