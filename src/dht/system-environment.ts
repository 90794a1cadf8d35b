/** The system's clock and randomness, as nodes take them (environment.ts). */
import { randomBytes } from 'node:crypto';
import type { Clock, Random } from './environment.js';

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer: (delayMs, run) => setTimeout(run, delayMs),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  fraction: () => Math.random(),
};
