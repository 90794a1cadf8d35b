/**
 * Role: splits a byte stream into lines of bounded length, for the control sockets.
 *
 * Invariants: at most one unfinished line is held, of at most MAX_LINE_BYTES; after `onTooLong` nothing
 * more is read.
 *
 * Not here: JSON (control.ts, control-client.ts).
 */

/** Most bytes of one line, without its end. */
export const MAX_LINE_BYTES = 64 * 1024;

export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #onTooLong: () => void;
  #parts: Buffer[] = [];
  #held = 0;
  #stopped = false;

  constructor(onLine: (line: string) => void, onTooLong: () => void) {
    this.#onLine = onLine;
    this.#onTooLong = onTooLong;
  }

  push(chunk: Buffer): void {
    let start = 0;
    while (!this.#stopped) {
      const end = chunk.indexOf(10, start);
      const piece = chunk.subarray(start, end < 0 ? chunk.length : end);
      this.#held += piece.length;
      if (this.#held > MAX_LINE_BYTES) {
        this.#stopped = true;
        this.#parts = [];
        this.#onTooLong();
        return;
      }
      if (piece.length > 0) this.#parts.push(Buffer.from(piece));
      if (end < 0) return;
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#held = 0;
      start = end + 1;
      this.#onLine(line);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#parts = [];
  }
}
