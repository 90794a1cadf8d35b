/**
 * Role: time as an argument, so that what waits can run in virtual time.
 *
 * Not here: virtual clocks (eval/sim, tests).
 */

/** An opaque handle of a timer. */
export type TimerHandle = unknown;

export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  setTimer(delayMs: number, run: () => void): TimerHandle;
  clearTimer(handle: TimerHandle): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer: (delayMs, run) => setTimeout(run, delayMs),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** Unix time as it was at the start, and from then on never set back or forth: for what measures how long something took. */
export const steadyClock: Clock = { ...systemClock, now: () => performance.timeOrigin + performance.now() };
