/**
 * Role: the time of a simulation, which goes on only when told to, in the order of the timers.
 *
 * Invariants: timers of one instant run in the order in which they were set; what promises react to a timer with runs
 * before the next one. Setting and running a timer cost the logarithm of how many there are.
 */
import type { Clock } from '../../dht/environment.js';

export interface Timer {
  readonly atMs: number;
  readonly order: number;
  /** Null once it is cleared or has run, so that what it would have done holds no memory. */
  run: (() => void) | null;
}

const START_MS = 1_800_000_000_000;

const before = (a: Timer, b: Timer) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class VirtualClock implements Clock {
  /** A binary heap, the next one first. */
  readonly #heap: Timer[] = [];
  #nowMs = START_MS;
  #order = 0;

  now(): number {
    return this.#nowMs;
  }

  /** Timers set, those that are cleared but not yet due included. */
  get timers(): number {
    return this.#heap.length;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#rise(this.#heap.push(timer) - 1);
    return timer;
  }

  clearTimer(handle: unknown): void {
    if (handle) (handle as Timer).run = null;
  }

  /** Runs everything that is due within the next `ms` milliseconds. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + Math.max(0, ms);
    while ((this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY) <= endMs) if (this.#step()) await settle();
    this.#nowMs = endMs;
  }

  /** Runs until the promise settles. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await settle();
    while (!settled && this.#heap.length > 0) if (this.#step()) await settle();
    if (!settled) throw new Error('virtual time ended before the promise settled');
    return promise;
  }

  /** Takes the next timer; false where it was cleared. */
  #step(): boolean {
    const timer = this.#pop();
    const run = timer?.run;
    if (!timer || !run) return false;
    timer.run = null;
    this.#nowMs = timer.atMs;
    run();
    return true;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last && heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(start: number): void {
    const heap = this.#heap;
    const timer = heap[start] as Timer;
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!before(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #sink(): void {
    const heap = this.#heap;
    const timer = heap[0] as Timer;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
      const below = heap[child] as Timer;
      if (!before(below, timer)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = timer;
  }
}

/** Lets promise reactions run, also those of reactions. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await null;
}
