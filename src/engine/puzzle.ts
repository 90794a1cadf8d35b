/** The search for the proof of a DHT position, outside the event loop. Not here: what is searched for (src/dht/position.ts). */
import { addon } from './addon.js';

/**
 * The first number from `start` on (64 bits, wraps) for which SHA-256(prefix ‖ number as 8 bytes) begins with `bits` zero
 * bits; null where there is none among `attempts` (32 bits).
 * @throws PeerError `ADDON_MISSING`
 */
export function searchPuzzle(
  prefix: Buffer,
  start: bigint,
  attempts: number,
  bits: number,
): Promise<bigint | null> {
  return addon().searchPuzzle(prefix, start, attempts, bits);
}
