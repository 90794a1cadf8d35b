/**
 * Role: what the owner of a pseudo-identity publishes in the DHT: where its exchange points are (Spec 3.3).
 *
 * Layout of the payload inside the signed value (identity/signed-value.ts), big-endian:
 * version 1 (=3) · number of doors 1 (1 to MAX_DOORS) · VoIP port 2, and for each door
 * KX port 2 · zero 2 · peer identity of the exchange point 32 · IPv4 4 · IPv6 16 · tunnel key 32 (zero: none).
 *
 * Invariants: parsing is total; a record is believed only inside a valid signed value of its pseudo-identity.
 *
 * Not here: publishing (voip/registration.ts) and looking up (voip/directory.ts).
 */

import type { PeerAddress } from './message.js';

const VERSION = 3;
const HEAD_BYTES = 4;
const DOOR_BYTES = 88;
export const MAX_DOORS = 4;

/** An exchange point at which callers get through. */
export interface Door {
  readonly exchangePoint: PeerAddress;
  /** X25519, 32 bytes: whoever answers in the tunnel must hold its secret half. `null`: the callee's KX has none. */
  readonly tunnelKey: Buffer | null;
}

export interface PresenceRecord {
  /** TCP port of the control connection at the callee. */
  readonly voipPort: number;
  /** At least one. */
  readonly doors: readonly Door[];
}

export function encodePresenceRecord({ voipPort, doors }: PresenceRecord): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + doors.length * DOOR_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(doors.length, 1);
  bytes.writeUInt16BE(voipPort, 2);
  for (const [index, door] of doors.entries()) {
    writeDoor(bytes.subarray(HEAD_BYTES + index * DOOR_BYTES), door);
  }
  return bytes;
}

/** `null` for anything that is not a usable record of this version. */
export function decodePresenceRecord(bytes: Buffer): PresenceRecord | null {
  const count = bytes[1] ?? 0;
  const isWhole =
    bytes[0] === VERSION &&
    count >= 1 &&
    count <= MAX_DOORS &&
    bytes.length === HEAD_BYTES + count * DOOR_BYTES;
  if (!isWhole) return null;
  const voipPort = bytes.readUInt16BE(2);
  const doors: Door[] = [];
  for (let index = 0; index < count; index += 1) {
    const door = readDoor(bytes.subarray(HEAD_BYTES + index * DOOR_BYTES));
    if (door === null) return null;
    doors.push(door);
  }
  return voipPort === 0 ? null : { voipPort, doors };
}

function writeDoor(bytes: Buffer, { exchangePoint, tunnelKey }: Door): void {
  const { identity, kxPort, ipv4, ipv6 } = exchangePoint;
  bytes.writeUInt16BE(kxPort, 0);
  identity.copy(bytes, 4);
  ipv4?.copy(bytes, 36);
  ipv6?.copy(bytes, 40);
  tunnelKey?.copy(bytes, 56);
}

function readDoor(bytes: Buffer): Door | null {
  const kxPort = bytes.readUInt16BE(0);
  const ipv4 = unlessZero(bytes.subarray(36, 40));
  const ipv6 = unlessZero(bytes.subarray(40, 56));
  if (kxPort === 0 || (ipv4 === null && ipv6 === null)) return null;
  const exchangePoint = { identity: Buffer.from(bytes.subarray(4, 36)), kxPort, ipv4, ipv6 };
  return { exchangePoint, tunnelKey: unlessZero(bytes.subarray(56, DOOR_BYTES)) };
}

function unlessZero(bytes: Buffer): Buffer | null {
  return bytes.every((byte) => byte === 0) ? null : Buffer.from(bytes);
}
