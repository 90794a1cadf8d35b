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

/**
 * A copy for the long term. A small one from Buffer.from is a slice of a pool and keeps 8 KiB alive for as long as it
 * lives; this one has memory of its own.
 */
export function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

const SCRATCH_BYTES = 2048;
const MAX_SPARE = 8;
/** Scratch memory that no writer has just now. */
const spare: Buffer[] = [];

/** Writes into scratch memory that writers take over from each other; `done` ends the writer. */
export class ByteWriter {
  #scratch = spare.pop() ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  raw(bytes: Buffer): this {
    const at = this.#take(bytes.length);
    bytes.copy(this.#scratch, at);
    return this;
  }
  zeros(count: number): this {
    const at = this.#take(count);
    this.#scratch.fill(0, at, at + count);
    return this;
  }
  u8(value: number): this {
    const at = this.#take(1);
    this.#scratch.writeUInt8(value, at);
    return this;
  }
  u16(value: number): this {
    const at = this.#take(2);
    this.#scratch.writeUInt16BE(value, at);
    return this;
  }
  u32(value: number): this {
    const at = this.#take(4);
    this.#scratch.writeUInt32BE(value, at);
    return this;
  }
  /** What was written, in memory of its own. The writer is not used again. */
  done(): Buffer {
    const bytes = Buffer.from(this.#scratch.subarray(0, this.#length));
    if (this.#scratch.length === SCRATCH_BYTES && spare.length < MAX_SPARE) spare.push(this.#scratch);
    this.#scratch = Buffer.alloc(0);
    return bytes;
  }

  /** Makes room; where it begins. */
  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#scratch.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#scratch.length, this.#length));
      this.#scratch.copy(larger, 0, 0, at);
      this.#scratch = larger;
    }
    return at;
  }
}
