/**
 * Role: the TLVs that may follow the 96 bytes of a KX BUILD (design 3, where [KX] EXTENSIONS allows them).
 *
 * Layout of each: type u16 · length u16 · value. Types with the upper bit set may be ignored by whoever does not know them;
 * any other unknown type, a second one of its kind and a wrong length make the whole extension invalid.
 *
 *   1  tunnel secret  32  incoming: X25519 secret of the callee's side of the end-to-end handshake
 *   2  tunnel key     32  outgoing: its public half, from the callee's record
 *
 * Invariants: decoding is total.
 *
 * Not here: the 96 bytes (kx.ts), what the keys do (docs/protocol/kx.md).
 */

const TYPE = { tunnelSecret: 1, tunnelKey: 2 } as const;
const HEADER_BYTES = 4;
const KEY_BYTES = 32;
const MAY_BE_IGNORED = 0x8000;

export interface BuildExtension {
  /** 32 bytes. */
  readonly tunnelSecret?: Buffer;
  /** 32 bytes. */
  readonly tunnelKey?: Buffer;
}

/** Throws RangeError for a key that has not 32 bytes. */
export function encodeBuildExtension(extension: BuildExtension): Buffer {
  const parts: Buffer[] = [];
  for (const name of ['tunnelSecret', 'tunnelKey'] as const) {
    const value = extension[name];
    if (value === undefined) continue;
    if (value.length !== KEY_BYTES) throw new RangeError(`${name} must have ${KEY_BYTES} bytes`);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(TYPE[name], 0);
    header.writeUInt16BE(value.length, 2);
    parts.push(header, value);
  }
  return Buffer.concat(parts);
}

/** `null` for bytes that are no valid extension; no bytes are an empty one. */
export function decodeBuildExtension(bytes: Buffer): BuildExtension | null {
  const found: { tunnelSecret?: Buffer; tunnelKey?: Buffer } = {};
  let at = 0;
  while (at < bytes.length) {
    if (at + HEADER_BYTES > bytes.length) return null;
    const type = bytes.readUInt16BE(at);
    const end = at + HEADER_BYTES + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return null;
    const value = Buffer.from(bytes.subarray(at + HEADER_BYTES, end));
    at = end;
    const name = (['tunnelSecret', 'tunnelKey'] as const).find((known) => TYPE[known] === type);
    if (name === undefined) {
      if ((type & MAY_BE_IGNORED) === 0) return null;
    } else {
      if (found[name] !== undefined || value.length !== KEY_BYTES) return null;
      found[name] = value;
    }
  }
  return found;
}
