/**
 * Role: the address of a peer's KX module as API messages carry it.
 *
 * Invariants: an address family that is not there is all zero bytes on the wire and `null` here. The two
 * orders are kept apart: TRACE REPLY has the identity before the port, BUILD the port before the identity.
 *
 * Not here: text forms of addresses, name resolution, any judgement whether an address is reachable.
 */

/** Bytes of a peer identity, a DHT key and a pseudo-identity. */
export const ID_BYTES = 32;
/** Bytes of one peer address, in either order. */
export const PEER_ADDRESS_BYTES = 56;

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** Where a peer's KX module can be reached, and who it must turn out to be. */
export interface PeerAddress {
  /** Peer identity, 32 bytes. */
  readonly identity: Buffer;
  /** UDP port of the KX module, 0 to 65535. */
  readonly kxPort: number;
  /** 4 bytes, or `null` where the peer has no IPv4 address. */
  readonly ipv4: Buffer | null;
  /** 16 bytes, or `null` where the peer has no IPv6 address. */
  readonly ipv6: Buffer | null;
}

/** Throws RangeError unless `bytes` has exactly `length` bytes. */
export function requireBytes(name: string, bytes: Buffer, length: number): void {
  if (bytes.length !== length) {
    throw new RangeError(`${name} must have ${length} bytes, has ${bytes.length}`);
  }
}

/** Throws RangeError unless `value` is an integer from 0 to `max`. */
export function requireUint(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${name} must be an integer from 0 to ${max}, is ${value}`);
  }
}

/** identity 32 · KX port u16 · reserved u16 · IPv4 4 · IPv6 16 (Spec 3.1.5). */
export function writeTraceHop(out: Buffer, offset: number, address: PeerAddress): void {
  requireBytes('peer identity', address.identity, ID_BYTES);
  address.identity.copy(out, offset);
  writePort(out, offset + 32, address.kxPort);
  writeIps(out, offset + 36, address);
}

/** KX port u16 · reserved u16 · identity 32 · IPv4 4 · IPv6 16 (Spec 3.2.1). */
export function writeExchangePoint(out: Buffer, offset: number, address: PeerAddress): void {
  requireBytes('peer identity', address.identity, ID_BYTES);
  writePort(out, offset, address.kxPort);
  address.identity.copy(out, offset + 4);
  writeIps(out, offset + 36, address);
}

/** Reads what {@link writeTraceHop} writes. The caller has checked that 56 bytes are there. */
export function readTraceHop(bytes: Buffer, offset: number): PeerAddress {
  return {
    identity: copyOf(bytes, offset, ID_BYTES),
    kxPort: bytes.readUInt16BE(offset + 32),
    ...readIps(bytes, offset + 36),
  };
}

/** Reads what {@link writeExchangePoint} writes. The caller has checked that 56 bytes are there. */
export function readExchangePoint(bytes: Buffer, offset: number): PeerAddress {
  return {
    identity: copyOf(bytes, offset + 4, ID_BYTES),
    kxPort: bytes.readUInt16BE(offset),
    ...readIps(bytes, offset + 36),
  };
}

/** A copy, so that a message never keeps a whole receive buffer alive or changes with it. */
export function copyOf(bytes: Buffer, offset: number, length: number): Buffer {
  return Buffer.from(bytes.subarray(offset, offset + length));
}

function writePort(out: Buffer, offset: number, port: number): void {
  requireUint('KX port', port, 0xffff);
  out.writeUInt16BE(port, offset);
}

function writeIps(out: Buffer, offset: number, address: PeerAddress): void {
  if (address.ipv4 !== null) {
    requireBytes('IPv4 address', address.ipv4, IPV4_BYTES);
    address.ipv4.copy(out, offset);
  }
  if (address.ipv6 !== null) {
    requireBytes('IPv6 address', address.ipv6, IPV6_BYTES);
    address.ipv6.copy(out, offset + IPV4_BYTES);
  }
}

function readIps(bytes: Buffer, offset: number): { ipv4: Buffer | null; ipv6: Buffer | null } {
  return {
    ipv4: nullIfZero(copyOf(bytes, offset, IPV4_BYTES)),
    ipv6: nullIfZero(copyOf(bytes, offset + IPV4_BYTES, IPV6_BYTES)),
  };
}

function nullIfZero(bytes: Buffer): Buffer | null {
  return bytes.every((byte) => byte === 0) ? null : bytes;
}
