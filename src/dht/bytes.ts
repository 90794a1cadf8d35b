/**
 * Bounds-checked reading and plain writing of the DHT protocol's fields (big-endian).
 *
 * Invariant: a reader never reads past its end; it throws the one `Malformed` value, which the decoders turn
 * into null, so no exception leaves a decoder. Not here: any message.
 */

/**
 * A copy for keeping. Buffers that Node makes by default are parts of 8 KiB blocks, and one kept part keeps the whole block;
 * small ones made like this take only what they hold.
 */
export function lasting(bytes: Buffer): Buffer {
  const copy = Buffer.alloc(bytes.length);
  bytes.copy(copy);
  return copy;
}

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
    const at = this.#pass(length);
    return this.buffer.subarray(at, at + length);
  }

  /** A copy of the next bytes. */
  copy(length: number): Buffer {
    const at = this.#pass(length);
    const bytes = Buffer.allocUnsafe(length);
    this.buffer.copy(bytes, 0, at, at + length);
    return bytes;
  }

  /** The next bytes as text of one character each: a key for maps. */
  latin1(length: number): string {
    const at = this.#pass(length);
    return this.buffer.toString('latin1', at, at + length);
  }

  /** The next byte, which is not passed. */
  peek(): number {
    if (this.left < 1) throw MALFORMED;
    return this.buffer[this.#offset] as number;
  }

  u8(): number {
    return this.buffer[this.#pass(1)] as number;
  }
  u16(): number {
    const at = this.#pass(2);
    return ((this.buffer[at] as number) << 8) | (this.buffer[at + 1] as number);
  }
  u32(): number {
    return this.buffer.readUInt32BE(this.#pass(4));
  }
  i32(): number {
    return this.buffer.readInt32BE(this.#pass(4));
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

  #pass(length: number): number {
    const at = this.#offset;
    if (length > this.buffer.length - at) throw MALFORMED;
    this.#offset = at + length;
    return at;
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

/** Holds any message of one datagram. */
const USUAL_BYTES = 1_536;
const MAX_SPARE = 8;
/** Buffers of writers that are done, for the next ones. */
const spare: Buffer[] = [];

/** Use it once: nothing may be written after `done`. */
export class ByteWriter {
  #bytes = spare.pop() ?? Buffer.allocUnsafeSlow(USUAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  raw(bytes: Buffer): this {
    const at = this.#grow(bytes.length);
    bytes.copy(this.#bytes, at);
    return this;
  }
  /** Text of one character a byte. */
  latin1(text: string): this {
    const at = this.#grow(text.length);
    this.#bytes.write(text, at, 'latin1');
    return this;
  }
  zeros(count: number): this {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }
  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }
  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16BE(value, at);
    return this;
  }
  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }
  i32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }
  /** All that was written, in a buffer of its own. */
  done(): Buffer {
    const result = Buffer.allocUnsafe(this.#length);
    this.#bytes.copy(result, 0, 0, this.#length);
    if (this.#bytes.length === USUAL_BYTES && spare.length < MAX_SPARE) spare.push(this.#bytes);
    this.#bytes = result;
    return result;
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }
}
