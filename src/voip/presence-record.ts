/**
 * Role: what the owner of a pseudo-identity publishes in the DHT: where its exchange point is (Spec 3.3).
 *
 * Layout of the payload inside the signed value (identity/signed-value.ts), big-endian:
 * version 1 · zero 1 · KX port 2 · VoIP port 2 · zero 2 · peer identity of the exchange point 32 · IPv4 4 · IPv6 16.
 *
 * Invariants: parsing is total; a record is believed only inside a valid signed value of its pseudo-identity.
 *
 * Not here: publishing (registration.ts) and looking up (directory.ts).
 */

import type { PeerAddress } from '../wire/message.js';

const VERSION = 1;
const RECORD_BYTES = 60;

export interface PresenceRecord {
  readonly exchangePoint: PeerAddress;
  /** TCP port of the control connection at the callee. */
  readonly voipPort: number;
}

/** 60 bytes. */
export function encodePresenceRecord(record: PresenceRecord): Buffer {
  const { identity, kxPort, ipv4, ipv6 } = record.exchangePoint;
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt16BE(kxPort, 2);
  bytes.writeUInt16BE(record.voipPort, 4);
  identity.copy(bytes, 8);
  ipv4?.copy(bytes, 40);
  ipv6?.copy(bytes, 44);
  return bytes;
}

/** `null` for anything that is not a usable record of this version. */
export function decodePresenceRecord(bytes: Buffer): PresenceRecord | null {
  if (bytes.length !== RECORD_BYTES || bytes[0] !== VERSION) return null;
  const kxPort = bytes.readUInt16BE(2);
  const voipPort = bytes.readUInt16BE(4);
  const ipv4 = family(bytes.subarray(40, 44));
  const ipv6 = family(bytes.subarray(44, 60));
  if (kxPort === 0 || voipPort === 0 || (ipv4 === null && ipv6 === null)) return null;
  return { exchangePoint: { identity: Buffer.from(bytes.subarray(8, 40)), kxPort, ipv4, ipv6 }, voipPort };
}

function family(bytes: Buffer): Buffer | null {
  return bytes.every((byte) => byte === 0) ? null : Buffer.from(bytes);
}
