/**
 * Role: finds out whether the other end of a control connection still answers, and how long that takes.
 *
 * Invariants: one ping every PING_EVERY_MS, give or take a quarter, of one side or the other: what the other side asks is as good a sign of
 * life, and several small packets at once make voice wait behind them. Whoever says nothing for SILENT_AFTER_MS is told of once.
 *
 * Not here: what a silent connection means for a call (conversation.ts).
 */

import type { Clock, TimerHandle } from '../clock.js';

const PING_EVERY_MS = 1_000;
/** So long after the last measurement, and before the first, one asks however often one is asked: the round trip is to be known. */
const MEASURE_AFTER_MS = 3_000;
/** So that the two sides take turns by chance, and both measure. */
const PING_SPREAD = 0.25;
export const SILENT_AFTER_MS = 3_500;
/** Pings whose answers are still waited for. */
const MAX_WAITING = 8;

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly ping: (number: number) => void;
  readonly onRoundTrip: (milliseconds: number) => void;
  readonly onSilent: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** When a ping was sent, by its number. */
  readonly #waiting = new Map<number, number>();
  #timer: TimerHandle;
  #heardAtMs: number;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #next = 1;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.now();
    this.#timer = this.#schedule();
  }

  /** Something came, whatever it was. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.now();
  }

  /** The other side has asked; it is answered elsewhere. */
  asked(): void {
    if (this.#options.clock.now() - this.#measuredAtMs >= MEASURE_AFTER_MS) return;
    this.stop();
    this.#timer = this.#schedule();
  }

  /** An answer; a number that was not asked counts for nothing. */
  answered(number: number): void {
    const sentAtMs = this.#waiting.get(number);
    if (!this.#waiting.delete(number) || sentAtMs === undefined) return;
    this.#measuredAtMs = this.#options.clock.now();
    this.#options.onRoundTrip(this.#measuredAtMs - sentAtMs);
  }

  stop(): void {
    this.#options.clock.clearTimer(this.#timer);
  }

  #beat(): void {
    const { clock, ping, onSilent } = this.#options;
    if (clock.now() - this.#heardAtMs >= SILENT_AFTER_MS) {
      onSilent();
      return;
    }
    const number = this.#next;
    this.#next = (this.#next + 1) >>> 0;
    this.#waiting.set(number, clock.now());
    for (const old of this.#waiting.keys()) if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(old);
    this.#timer = this.#schedule();
    ping(number);
  }

  #schedule(): TimerHandle {
    const spread = PING_SPREAD * (2 * Math.random() - 1);
    return this.#options.clock.setTimer(PING_EVERY_MS * (1 + spread), () => this.#beat());
  }
}
