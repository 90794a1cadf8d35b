/**
 * How long an onion may take until its exit says that it has begun: from measured ones, smoothed as TCP does (RFC 6298).
 *
 * Not here: how long the lookup behind it takes.
 */
import { ONION_BYTES } from './onion.js';

const FIRST_TIMEOUT_MS = 2_500;
const MIN_TIMEOUT_MS = 800;
const MAX_TIMEOUT_MS = 4_000;
/** A large onion goes over a stream at every leg, which connects first. */
const STREAM_FACTOR = 3;

export class OnionDelays {
  #smoothedMs: number | null = null;
  #deviationMs = 0;

  get smoothedMs(): number | null {
    return this.#smoothedMs;
  }

  /** @param size bytes of the onion; only those that go by datagram are measured */
  sample(milliseconds: number, size: number): void {
    if (size !== ONION_BYTES[0]) return;
    const sampleMs = Math.min(Math.max(milliseconds, 0), MAX_TIMEOUT_MS);
    if (this.#smoothedMs === null) {
      this.#smoothedMs = sampleMs;
      this.#deviationMs = sampleMs / 2;
      return;
    }
    this.#deviationMs += (Math.abs(sampleMs - this.#smoothedMs) - this.#deviationMs) / 4;
    this.#smoothedMs += (sampleMs - this.#smoothedMs) / 8;
  }

  timeoutMs(size: number): number {
    // New paths have handshakes to make, so twice the usual is nothing unusual.
    const measured =
      this.#smoothedMs === null ? FIRST_TIMEOUT_MS : 2 * this.#smoothedMs + 4 * this.#deviationMs;
    const small = Math.min(Math.max(measured, MIN_TIMEOUT_MS), MAX_TIMEOUT_MS);
    return size === ONION_BYTES[0] ? small : small * STREAM_FACTOR;
  }
}
