/**
 * Bounds-checked reading and plain writing of the DHT protocol's fields (big-endian).
 *
 * Invariant: a reader never reads past its end; it throws the one `Malformed` value, which the decoders turn
 * into null, so no exception leaves a decoder. Not here: any message.
 */

class Malformed extends Error {}
const MALFORMED = new Malformed('malformed DHT message');

export class ByteReader {
  #offset = 0;
  constructor(readonly buffer: Buffer) {}

  get left(): number {
    return this.buffer.length - this.#offset;
  }

  /** A view (no copy) of the next bytes. */
  take(length: number): Buffer {
    if (length > this.left) throw MALFORMED;
    const view = this.buffer.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return view;
  }

  u8(): number {
    return this.take(1).readUInt8();
  }
  u16(): number {
    return this.take(2).readUInt16BE();
  }
  u32(): number {
    return this.take(4).readUInt32BE();
  }
  rest(): Buffer {
    return this.take(this.left);
  }
  /** @throws Malformed where bytes are left over. */
  end(): void {
    if (this.left !== 0) throw MALFORMED;
  }
  fail(): never {
    throw MALFORMED;
  }
}

/** Runs a decoder; null where it met malformed bytes. Other exceptions are bugs and go on. */
export function decodeOrNull<T>(bytes: Buffer, decode: (reader: ByteReader) => T): T | null {
  try {
    return decode(new ByteReader(bytes));
  } catch (error) {
    if (error === MALFORMED) return null;
    throw error;
  }
}

export class ByteWriter {
  readonly #parts: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }
  u8(value: number): this {
    return this.raw(Buffer.of(value));
  }
  u16(value: number): this {
    const bytes = Buffer.allocUnsafe(2);
    bytes.writeUInt16BE(value);
    return this.raw(bytes);
  }
  u32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(value);
    return this.raw(bytes);
  }
  done(): Buffer {
    return Buffer.concat(this.#parts, this.#length);
  }
}
