/**
 * Sliding window over the counters of a session: each counter is accepted once, old ones never.
 *
 * Invariant: `accept` is called only after the frame's authentication has succeeded.
 */

/** How far behind the highest counter a frame may arrive. */
export const REPLAY_WINDOW = 1024;

export class ReplayWindow {
  #highest = -1;
  /** A bit for each of the last REPLAY_WINDOW counters; null as long as all up to the highest have come. */
  #bits: Uint32Array | null = null;

  /** Whether the counter could still be accepted; changes nothing. */
  fresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (this.#bits === null || counter <= this.#highest - REPLAY_WINDOW) return false;
    const slot = counter % REPLAY_WINDOW;
    return (((this.#bits[slot >> 5] as number) >>> (slot & 31)) & 1) === 0;
  }

  /** Marks the counter as seen; false where it was seen before or is too old. */
  accept(counter: number): boolean {
    if (!this.fresh(counter)) return false;
    if (this.#bits === null && counter === this.#highest + 1) {
      this.#highest = counter;
      return true;
    }
    // With all bits set the window says what it said without any: that everything so far has come.
    this.#bits ??= new Uint32Array(REPLAY_WINDOW / 32).fill(0xffff_ffff);
    const bits = this.#bits;
    if (counter > this.#highest) {
      const steps = Math.min(counter - this.#highest, REPLAY_WINDOW);
      for (let i = 0; i < steps; i++) {
        const slot = (counter - i) % REPLAY_WINDOW;
        bits[slot >> 5] = (bits[slot >> 5] as number) & ~(1 << (slot & 31));
      }
      this.#highest = counter;
    }
    const slot = counter % REPLAY_WINDOW;
    bits[slot >> 5] = (bits[slot >> 5] as number) | (1 << (slot & 31));
    return true;
  }
}
