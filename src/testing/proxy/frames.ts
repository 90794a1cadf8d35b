/**
 * Role: follows the messages in a byte stream while its bytes go on: each piece is handed on at once, or held until its
 * message is whole, as is decided when its header is there.
 *
 * Invariants: what is handed on, one after another, is what came, whether it is messages or not. At most one message is
 * held, in at most twice the bytes that have come of it. Once a header is impossible, all that follows is handed on as it
 * comes.
 *
 * Not here: what the messages mean, what becomes of them (course.ts). api/framing.ts has no use for bytes that are no
 * message.
 */

import { HEADER_BYTES } from '../../wire/message.js';

export interface FrameEvents {
  /** Whether to hold back what comes of a message; before there is a whole header `type` is not known. */
  readonly holds: (type?: number) => boolean;
  /** Bytes to hand on now. `whole` where the message ends with them. */
  readonly onPiece: (piece: Buffer, whole: boolean) => void;
  /** A message is complete, in a buffer of its own; `held` says that none of it has been handed on. */
  readonly onFrame: (frame: Buffer, held: boolean) => void;
  /** Bytes that are in no message; they have been handed on. */
  readonly onStray: (bytes: Buffer, reason: string) => void;
}

const FIRST_BYTES = 1_024;

export class FrameFollower {
  readonly #events: FrameEvents;
  #frame = Buffer.alloc(FIRST_BYTES);
  #filled = 0;
  /** 0 until the header is whole. */
  #size = 0;
  /** Bytes of this message that were handed on. */
  #passed = 0;
  #holding = false;
  #lost: string | null = null;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#lost !== null) {
        this.#stray(chunk.subarray(offset), this.#lost);
        return;
      }
      if (this.#filled === 0) this.#holding = this.#events.holds();
      const piece = chunk.subarray(offset, offset + this.#wanted(chunk.subarray(offset)));
      offset += piece.length;
      this.#take(piece);
    }
  }

  /** No more bytes come: hands on what was held of a half message. */
  end(): void {
    if (this.#filled === 0) return;
    const part = Buffer.from(this.#frame.subarray(0, this.#filled));
    if (this.#passed < part.length) this.#events.onPiece(part.subarray(this.#passed), true);
    this.#filled = 0;
    this.#events.onStray(part, 'the connection ended inside a message');
  }

  /** How many of these bytes to take at once: those of one message, or of a header that has come in parts. */
  #wanted(rest: Buffer): number {
    if (this.#size !== 0) return this.#size - this.#filled;
    const missing = HEADER_BYTES - this.#filled;
    return this.#filled > 0 || rest.length < missing ? missing : Math.max(missing, rest.readUInt16BE(0));
  }

  #take(piece: Buffer): void {
    this.#makeRoom(piece.length);
    piece.copy(this.#frame, this.#filled);
    this.#filled += piece.length;
    if (this.#size === 0 && this.#filled >= HEADER_BYTES) {
      const size = this.#frame.readUInt16BE(0);
      if (size < HEADER_BYTES) {
        this.#lose(`the header says ${size} bytes, less than the header itself`);
        return;
      }
      this.#size = size;
      this.#holding &&= this.#events.holds(this.#frame.readUInt16BE(2));
    }
    const whole = this.#filled === this.#size;
    if (!this.#holding) {
      // The bytes of a header may have waited for the decision; what is held may be written over by what comes next.
      const fresh = this.#passed === this.#filled - piece.length;
      const bytes = fresh ? piece : Buffer.from(this.#frame.subarray(this.#passed, this.#filled));
      this.#passed = this.#filled;
      this.#events.onPiece(bytes, whole);
    }
    if (whole) {
      const frame = Buffer.from(this.#frame.subarray(0, this.#size));
      this.#filled = this.#size = this.#passed = 0;
      if (this.#frame.length > FIRST_BYTES) this.#frame = Buffer.alloc(FIRST_BYTES);
      this.#events.onFrame(frame, this.#holding);
    }
  }

  #makeRoom(more: number): void {
    const wanted = this.#filled + more;
    if (wanted <= this.#frame.length) return;
    const larger = Buffer.alloc(Math.max(wanted, Math.min(this.#size, 2 * this.#frame.length)));
    this.#frame.copy(larger, 0, 0, this.#filled);
    this.#frame = larger;
  }

  #lose(reason: string): void {
    this.#lost = reason;
    const rest = Buffer.from(this.#frame.subarray(this.#passed, this.#filled));
    const all = Buffer.from(this.#frame.subarray(0, this.#filled));
    this.#filled = 0;
    this.#events.onPiece(rest, true);
    this.#events.onStray(all, reason);
  }

  #stray(bytes: Buffer, reason: string): void {
    this.#events.onPiece(bytes, true);
    this.#events.onStray(bytes, reason);
  }
}
