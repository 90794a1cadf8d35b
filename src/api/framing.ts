/**
 * Role: splits a TCP byte stream into API messages (Spec 3: size u16 counts the header too).
 *
 * Invariants: never holds more than one incomplete frame; memory for a frame is at most twice what has come of it (FIRST_BYTES
 * at the least), so that announcing costs a sender as much as us, and single bytes cost no copy each; after a violation
 * nothing is read.
 *
 * Not here: what the bytes of a frame mean (src/wire), timeouts (server.ts, client.ts).
 */

import { HEADER_BYTES } from '../wire/message.js';

const FIRST_BYTES = 1_024;

export class FrameSplitter {
  readonly #onFrame: (frame: Buffer) => void;
  readonly #onViolation: (reason: string) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** What has come of a frame whose header is complete, and room for more. */
  #frame: Buffer | null = null;
  /** Bytes of the frame, header included. */
  #size = 0;
  #filled = 0;
  #stopped = false;

  /** `onFrame` gets each whole message with its header, in a buffer of its own. */
  constructor(onFrame: (frame: Buffer) => void, onViolation: (reason: string) => void) {
    this.#onFrame = onFrame;
    this.#onViolation = onViolation;
  }

  /** Whether the first bytes of a message are here and the rest is not. */
  get partial(): boolean {
    return this.#filled > 0;
  }

  /** Takes no more bytes from now on; also from within `onFrame`. */
  stop(): void {
    this.#stopped = true;
    this.#frame = null;
    this.#filled = 0;
  }

  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && !this.#stopped) {
      const target = this.#frame === null ? this.#header : this.#withRoom(chunk.length - offset);
      const end = this.#frame === null ? HEADER_BYTES : this.#size;
      const copied = chunk.copy(target, this.#filled, offset, offset + end - this.#filled);
      this.#filled += copied;
      offset += copied;
      if (this.#filled === end) this.#advance();
    }
  }

  /** The frame with room for `more` bytes, or for all that is missing. */
  #withRoom(more: number): Buffer {
    const frame = this.#frame as Buffer;
    const wanted = Math.min(this.#size, this.#filled + more);
    if (wanted <= frame.length) return frame;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#size, Math.max(wanted, frame.length * 2)));
    frame.copy(larger, 0, 0, this.#filled);
    this.#frame = larger;
    return larger;
  }

  /** The header or the whole frame has come together. */
  #advance(): void {
    if (this.#frame === null) {
      this.#size = this.#header.readUInt16BE(0);
      if (this.#size < HEADER_BYTES) {
        this.stop();
        this.#onViolation(`the header says ${this.#size} bytes, less than the header itself`);
        return;
      }
      this.#frame = Buffer.allocUnsafeSlow(Math.min(this.#size, FIRST_BYTES));
      this.#header.copy(this.#frame);
      if (this.#size > HEADER_BYTES) return;
    }
    const frame = this.#frame;
    this.#frame = null;
    this.#filled = 0;
    this.#onFrame(frame);
  }
}
