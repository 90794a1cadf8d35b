/**
 * Role: the TLVs that may follow the 96 bytes of a KX BUILD (design 3, where [KX] EXTENSIONS allows them).
 *
 * Layout of each: type u16 · length u16 · value. Types with the upper bit set may be ignored by whoever does not know them;
 * any other unknown type, a second one of its kind and a wrong length make the whole extension invalid.
 *
 *   1  tunnel secret  32  incoming: X25519 secret of the callee's side of the end-to-end handshake
 *   2  tunnel key     32  outgoing: its public half, from the callee's record
 *   3  registration  112  incoming: Ed25519 seed of the registration key 32 · time u64 · expiry u64 · signature 64
 *   4  port            2  incoming: the only local port, TCP and UDP, that callers reach; not 0
 *   5  instead of     32  incoming: peer identity of another exchange point; the tunnel to it ends once this one is ready
 *
 * Invariants: decoding is total.
 *
 * Not here: the 96 bytes (kx.ts), what the keys do and what is signed (docs/protocol/kx.md).
 */

const TYPE = { tunnelSecret: 1, tunnelKey: 2, registration: 3, port: 4, insteadOf: 5 } as const;
const BYTES = { tunnelSecret: 32, tunnelKey: 32, registration: 112, port: 2, insteadOf: 32 } as const;
const HEADER_BYTES = 4;
const MAY_BE_IGNORED = 0x8000;

type Name = keyof typeof TYPE;
const NAMES = Object.keys(TYPE) as readonly Name[];

/** A pseudo-identity's word for whoever holds a registration key, at one exchange point. */
export interface SignedRegistration {
  /** Ed25519 seed of the registration key, 32 bytes; never logged. */
  readonly secret: Buffer;
  /** When it was signed, Unix seconds, 64 bits: the newest wins. */
  readonly time: bigint;
  /** Until when it counts, Unix seconds, 64 bits. */
  readonly expiry: bigint;
  /** By the pseudo-identity, 64 bytes. */
  readonly signature: Buffer;
}

export interface BuildExtension {
  /** 32 bytes. */
  readonly tunnelSecret?: Buffer;
  /** 32 bytes. */
  readonly tunnelKey?: Buffer;
  readonly registration?: SignedRegistration;
  /** 1 to 65 535. */
  readonly port?: number;
  /** 32 bytes. */
  readonly insteadOf?: Buffer;
}

/** Throws RangeError for a key, signature, time or port of another size. */
export function encodeBuildExtension(extension: BuildExtension): Buffer {
  const { tunnelSecret, tunnelKey, registration, port, insteadOf } = extension;
  const values: Partial<Record<Name, Buffer>> = {
    ...(tunnelSecret && { tunnelSecret }),
    ...(tunnelKey && { tunnelKey }),
    ...(registration && { registration: encodeRegistration(registration) }),
    ...(port !== undefined && { port: encodePort(port) }),
    ...(insteadOf && { insteadOf }),
  };
  const parts: Buffer[] = [];
  for (const name of NAMES) {
    const value = values[name];
    if (value === undefined) continue;
    if (value.length !== BYTES[name]) throw new RangeError(`${name} must have ${BYTES[name]} bytes`);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(TYPE[name], 0);
    header.writeUInt16BE(value.length, 2);
    parts.push(header, value);
  }
  return Buffer.concat(parts);
}

/** `null` for bytes that are no valid extension; no bytes are an empty one. */
export function decodeBuildExtension(bytes: Buffer): BuildExtension | null {
  const found: Partial<Record<Name, Buffer>> = {};
  let at = 0;
  while (at < bytes.length) {
    if (at + HEADER_BYTES > bytes.length) return null;
    const type = bytes.readUInt16BE(at);
    const end = at + HEADER_BYTES + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return null;
    const value = Buffer.from(bytes.subarray(at + HEADER_BYTES, end));
    at = end;
    const name = NAMES.find((known) => TYPE[known] === type);
    if (name === undefined) {
      if ((type & MAY_BE_IGNORED) === 0) return null;
    } else {
      if (found[name] !== undefined || value.length !== BYTES[name]) return null;
      found[name] = value;
    }
  }
  const { tunnelSecret, tunnelKey, registration, insteadOf } = found;
  const port = found.port?.readUInt16BE(0);
  if (port === 0) return null;
  return {
    ...(tunnelSecret && { tunnelSecret }),
    ...(tunnelKey && { tunnelKey }),
    ...(registration && { registration: decodeRegistration(registration) }),
    ...(port !== undefined && { port }),
    ...(insteadOf && { insteadOf }),
  };
}

function encodeRegistration({ secret, time, expiry, signature }: SignedRegistration): Buffer {
  if (secret.length !== 32) throw new RangeError('the secret of a registration must have 32 bytes');
  const times = Buffer.alloc(16);
  times.writeBigUInt64BE(time, 0);
  times.writeBigUInt64BE(expiry, 8);
  return Buffer.concat([secret, times, signature]);
}

/** `value` has its 112 bytes. */
function decodeRegistration(value: Buffer): SignedRegistration {
  return {
    secret: value.subarray(0, 32),
    time: value.readBigUInt64BE(32),
    expiry: value.readBigUInt64BE(40),
    signature: value.subarray(48),
  };
}

function encodePort(port: number): Buffer {
  if (port === 0) throw new RangeError('a port must not be 0');
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port, 0);
  return bytes;
}
