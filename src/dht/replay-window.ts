/**
 * Sliding window over the counters of a session: each counter is accepted once, old ones never.
 *
 * Invariant: `accept` is called only after the frame's authentication has succeeded.
 */

/** How far behind the highest counter a frame may arrive. */
export const REPLAY_WINDOW = 1024;

export class ReplayWindow {
  readonly #bits = new Uint32Array(REPLAY_WINDOW / 32);
  #highest = -1;

  /** Whether the counter could still be accepted; changes nothing. */
  fresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter <= this.#highest - REPLAY_WINDOW) return false;
    const slot = counter % REPLAY_WINDOW;
    return (((this.#bits[slot >> 5] as number) >>> (slot & 31)) & 1) === 0;
  }

  /** Marks the counter as seen; false where it was seen before or is too old. */
  accept(counter: number): boolean {
    if (!this.fresh(counter)) return false;
    if (counter > this.#highest) {
      const steps = Math.min(counter - this.#highest, REPLAY_WINDOW);
      for (let i = 0; i < steps; i++) this.#clear((counter - i) % REPLAY_WINDOW);
      this.#highest = counter;
    }
    const slot = counter % REPLAY_WINDOW;
    this.#bits[slot >> 5] = (this.#bits[slot >> 5] as number) | (1 << (slot & 31));
    return true;
  }

  #clear(slot: number): void {
    this.#bits[slot >> 5] = (this.#bits[slot >> 5] as number) & ~(1 << (slot & 31));
  }
}
