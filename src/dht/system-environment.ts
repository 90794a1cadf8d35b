/** The system's clock and randomness, as nodes take them (environment.ts). */
import { randomBytes } from 'node:crypto';
import type { Clock, Random } from './environment.js';

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer: (delayMs, run) => setTimeout(run, delayMs),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** Small amounts are taken from one call of the system's generator for many. */
const POOL_BYTES = 4_096;
let pool = Buffer.alloc(0);
let taken = 0;

export const systemRandom: Random = {
  bytes: (length) => {
    if (length > POOL_BYTES / 4) return randomBytes(length);
    if (taken + length > pool.length) {
      pool = randomBytes(POOL_BYTES);
      taken = 0;
    }
    const bytes = Buffer.allocUnsafe(length);
    pool.copy(bytes, 0, taken, taken + length);
    pool.fill(0, taken, taken + length);
    taken += length;
    return bytes;
  },
  fraction: () => Math.random(),
};
