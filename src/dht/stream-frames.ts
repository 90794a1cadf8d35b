/**
 * Frames on a byte stream: length u32 · body. Bounded, total. Not here: what a body is.
 */

/** A content of 65 491 bytes with its message, seal or handshake fits well. */
export const MAX_FRAME_BYTES = 70_000;

export function frame(body: Buffer): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** The frames that are complete now, or null where one announces more than MAX_FRAME_BYTES. */
  push(bytes: Buffer): Buffer[] | null {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    const frames: Buffer[] = [];
    while (this.#length >= 4) {
      const wanted = this.#peekLength();
      if (wanted > MAX_FRAME_BYTES) return null;
      if (this.#length < 4 + wanted) break;
      const all = this.#join();
      frames.push(Buffer.from(all.subarray(4, 4 + wanted)));
      this.#chunks = [all.subarray(4 + wanted)];
      this.#length -= 4 + wanted;
    }
    return frames;
  }

  #peekLength(): number {
    if ((this.#chunks[0] as Buffer).length < 4) this.#join();
    return (this.#chunks[0] as Buffer).readUInt32BE(0);
  }

  #join(): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}
