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
import { decodePresenceRecord, type PresenceRecord } from './presence-record.js';

const LOOKUP_TIMEOUT_MS = 15_000;
/** How long to wait for a newer record after the first valid one. */
const SETTLE_MS = 250;

/**
 * The newest valid record of a pseudo-identity; `null` where the DHT has none.
 *
 * Errors: 'timeout', 'api-unreachable', 'api-closed', 'api-violation', 'aborted' (dhtGet).
 */
export async function lookUp(
  dht: ApiEndpoint,
  pseudoIdentity: Buffer,
  signal: AbortSignal,
): Promise<PresenceRecord | null> {
  let newest: { readonly sequence: bigint; readonly record: PresenceRecord } | null = null;
  const counts = (content: Buffer): boolean => {
    const value = decodeSignedValue(content, pseudoIdentity, Math.floor(Date.now() / 1000));
    const record = value && decodePresenceRecord(value.payload);
    if (value === null || record === null) return false;
    if (newest === null || value.sequence > newest.sequence) newest = { sequence: value.sequence, record };
    return true;
  };
  const options = { timeoutMs: LOOKUP_TIMEOUT_MS, settleMs: SETTLE_MS, signal, counts };
  await dhtGet(dht, pseudoIdentity, options);
  return (newest as { readonly record: PresenceRecord } | null)?.record ?? null;
}
