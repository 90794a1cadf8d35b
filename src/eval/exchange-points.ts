/**
 * Role: the exchange points at which a pseudo-identity can be called, as anybody learns them from the DHT.
 *
 * Not here: calls (src/voip/directory.ts).
 */

import type { ApiEndpoint } from '../api/client.js';
import { dhtGet } from '../api/dht-client.js';
import { decodeSignedValue } from '../identity/signed-value.js';
import type { PeerAddress } from '../wire/message.js';
import { decodePresenceRecord } from '../wire/presence-record.js';

const TIMEOUT_MS = 15_000;
const SETTLE_MS = 500;

/** Those of the newest record; none where there is no record. Errors: as of dhtGet. */
export async function exchangePointsOf(dht: ApiEndpoint, pseudoIdentity: Buffer): Promise<PeerAddress[]> {
  const now = Math.floor(Date.now() / 1000);
  const read = (content: Buffer) => {
    const value = decodeSignedValue(content, pseudoIdentity, now);
    const record = value && decodePresenceRecord(value.payload);
    return value === null || record === null ? [] : [{ sequence: value.sequence, record }];
  };
  const counts = (content: Buffer) => read(content).length > 0;
  const contents = await dhtGet(dht, pseudoIdentity, { timeoutMs: TIMEOUT_MS, settleMs: SETTLE_MS, counts });
  const [newest] = contents.flatMap(read).sort((a, b) => (a.sequence < b.sequence ? 1 : -1));
  return newest?.record.doors.map(({ exchangePoint }) => exchangePoint) ?? [];
}
