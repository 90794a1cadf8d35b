/**
 * Role: splits a TCP byte stream into API messages (Spec 3: size u16 counts the header too).
 *
 * Invariants: never holds more than one incomplete frame; memory for a frame is taken once, when its size
 * is known, so that a sender of single bytes costs no repeated copies; after a violation nothing is read.
 *
 * Not here: what the bytes of a frame mean (src/wire), timeouts (server.ts, client.ts).
 */

import { HEADER_BYTES } from '../wire/message.js';

export class FrameSplitter {
  readonly #onFrame: (frame: Buffer) => void;
  readonly #onViolation: (reason: string) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #frame: Buffer | null = null;
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
      const target: Buffer = this.#frame ?? this.#header;
      const copied = chunk.copy(target, this.#filled, offset);
      this.#filled += copied;
      offset += copied;
      if (this.#filled === target.length) this.#advance();
    }
  }

  /** The header or the whole frame has come together. */
  #advance(): void {
    if (this.#frame === null) {
      const size = this.#header.readUInt16BE(0);
      if (size < HEADER_BYTES) {
        this.stop();
        this.#onViolation(`the header says ${size} bytes, less than the header itself`);
        return;
      }
      this.#frame = Buffer.alloc(size);
      this.#header.copy(this.#frame);
      if (size > HEADER_BYTES) return;
    }
    const frame = this.#frame;
    this.#frame = null;
    this.#filled = 0;
    this.#onFrame(frame);
  }
}
