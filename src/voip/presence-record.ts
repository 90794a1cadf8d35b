/**
 * Role: what the owner of a pseudo-identity publishes in the DHT: where its exchange point is (Spec 3.3).
 *
 * Layout of the payload inside the signed value (identity/signed-value.ts), big-endian:
 * version 1 · zero 1 · KX port 2 · VoIP port 2 · zero 2 · peer identity of the exchange point 32 · IPv4 4 · IPv6 16,
 * and in version 2 the tunnel key 32.
 *
 * Invariants: parsing is total; a record is believed only inside a valid signed value of its pseudo-identity.
 *
 * Not here: publishing (registration.ts) and looking up (directory.ts).
 */

import type { PeerAddress } from '../wire/message.js';

/** Without and with a tunnel key. */
const VERSION = { plain: 1, keyed: 2 } as const;
const KEY_AT = 60;
const KEY_BYTES = 32;

export interface PresenceRecord {
  readonly exchangePoint: PeerAddress;
  /** TCP port of the control connection at the callee. */
  readonly voipPort: number;
  /** X25519, 32 bytes: whoever answers in the tunnel must hold its secret half. `null`: the callee's KX has none. */
  readonly tunnelKey: Buffer | null;
}

/** 60 bytes, or 92 with a tunnel key. */
export function encodePresenceRecord(record: PresenceRecord): Buffer {
  const { identity, kxPort, ipv4, ipv6 } = record.exchangePoint;
  const { tunnelKey } = record;
  const bytes = Buffer.alloc(KEY_AT + (tunnelKey === null ? 0 : KEY_BYTES));
  bytes.writeUInt8(tunnelKey === null ? VERSION.plain : VERSION.keyed, 0);
  tunnelKey?.copy(bytes, KEY_AT);
  bytes.writeUInt16BE(kxPort, 2);
  bytes.writeUInt16BE(record.voipPort, 4);
  identity.copy(bytes, 8);
  ipv4?.copy(bytes, 40);
  ipv6?.copy(bytes, 44);
  return bytes;
}

/** `null` for anything that is not a usable record of these versions. */
export function decodePresenceRecord(bytes: Buffer): PresenceRecord | null {
  const isPlain = bytes[0] === VERSION.plain && bytes.length === KEY_AT;
  const isKeyed = bytes[0] === VERSION.keyed && bytes.length === KEY_AT + KEY_BYTES;
  if (!isPlain && !isKeyed) return null;
  const kxPort = bytes.readUInt16BE(2);
  const voipPort = bytes.readUInt16BE(4);
  const ipv4 = family(bytes.subarray(40, 44));
  const ipv6 = family(bytes.subarray(44, KEY_AT));
  if (kxPort === 0 || voipPort === 0 || (ipv4 === null && ipv6 === null)) return null;
  const exchangePoint = { identity: Buffer.from(bytes.subarray(8, 40)), kxPort, ipv4, ipv6 };
  return { exchangePoint, voipPort, tunnelKey: isKeyed ? Buffer.from(bytes.subarray(KEY_AT)) : null };
}

function family(bytes: Buffer): Buffer | null {
  return bytes.every((byte) => byte === 0) ? null : Buffer.from(bytes);
}
