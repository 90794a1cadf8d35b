/** The system's randomness, and its clock beside it, as nodes take them (environment.ts). */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../clock.js';
import type { Random } from './environment.js';

export { systemClock };

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
