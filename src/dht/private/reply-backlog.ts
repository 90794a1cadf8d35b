/**
 * Bounds what is held of replies that the nodes before us have not acknowledged yet: for each of them, and in all.
 *
 * Not here: what is done with what finds no room (relay.ts, exit.ts).
 */

const MAX_BYTES = 32 << 20;
/** Room for what a key may hold (Spec 3.1: 64 KB) many times over: a node that carries the onions of many. */
const MAX_BYTES_A_SOURCE = 4 << 20;

export class ReplyBacklog {
  readonly #ofSource = new Map<string, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** False where there is no room; else `release` follows with the same. */
  hold(source: string, bytes: number): boolean {
    const held = this.#ofSource.get(source) ?? 0;
    if (held + bytes > MAX_BYTES_A_SOURCE || this.#bytes + bytes > MAX_BYTES) return false;
    this.#bytes += bytes;
    this.#ofSource.set(source, held + bytes);
    return true;
  }

  release(source: string, bytes: number): void {
    const left = (this.#ofSource.get(source) ?? 0) - bytes;
    this.#bytes -= bytes;
    if (left > 0) this.#ofSource.set(source, left);
    else this.#ofSource.delete(source);
  }
}
