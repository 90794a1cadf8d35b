/**
 * Round-trip times: what was measured, and the timeouts that follow from it.
 *
 * Smoothed as TCP does (RFC 6298). `hedgeMs` is when somebody else is asked as well, `timeoutMs` when an attempt
 * is given up. Peers without measurements of their own take those of the whole network.
 */
import type { UnverifiedContact } from './contact.js';
import type { Peers } from './peers.js';

const FIRST_HEDGE_MS = 150;
const FIRST_TIMEOUT_MS = 500;
const MIN_HEDGE_MS = 5;
const MAX_HEDGE_MS = 400;
const MIN_TIMEOUT_MS = 250;
const MAX_TIMEOUT_MS = 1_500;

/** In whole microseconds; below 0 as long as nothing was measured. */
interface Estimate {
  smoothedMicros: number;
  deviationMicros: number;
}

function update(estimate: Estimate, sampleMicros: number): void {
  const { smoothedMicros, deviationMicros } = estimate;
  if (smoothedMicros < 0) {
    estimate.smoothedMicros = sampleMicros;
    estimate.deviationMicros = Math.round(sampleMicros / 2);
    return;
  }
  const deviation = Math.abs(sampleMicros - smoothedMicros);
  estimate.smoothedMicros = Math.round(smoothedMicros + (sampleMicros - smoothedMicros) / 8);
  estimate.deviationMicros = Math.round(deviationMicros + (deviation - deviationMicros) / 4);
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

export class RoundTrips {
  readonly #all: Estimate = { smoothedMicros: -1, deviationMicros: 0 };

  constructor(readonly peers: Peers) {}

  /** One measured round trip of a peer, in milliseconds. */
  sample(peer: UnverifiedContact, milliseconds: number): void {
    // Clocks are set and machines sleep: neither may spoil the estimates for long.
    const sampleMicros = Math.round(clamp(milliseconds, 0, MAX_TIMEOUT_MS) * 1000);
    update(this.peers.meet(peer), sampleMicros);
    update(this.#all, sampleMicros);
  }

  hedgeMs(peer: string): number {
    const estimate = this.#estimate(peer);
    if (!estimate) return FIRST_HEDGE_MS;
    const { smoothedMicros, deviationMicros } = estimate;
    return clamp((smoothedMicros + 3 * deviationMicros) / 1000, MIN_HEDGE_MS, MAX_HEDGE_MS);
  }

  /** @param attempt 0 for the first; each further one waits twice as long */
  timeoutMs(peer: string, attempt: number): number {
    const estimate = this.#estimate(peer);
    const firstMs = estimate
      ? clamp(
          (2 * estimate.smoothedMicros + 4 * estimate.deviationMicros) / 1000,
          MIN_TIMEOUT_MS,
          MAX_TIMEOUT_MS,
        )
      : FIRST_TIMEOUT_MS;
    return Math.min(firstMs * 2 ** attempt, MAX_TIMEOUT_MS);
  }

  /** Smoothed round trip over all peers in milliseconds, null before the first. */
  get smoothedMs(): number | null {
    return this.#all.smoothedMicros < 0 ? null : this.#all.smoothedMicros / 1000;
  }

  #estimate(id: string): Estimate | null {
    const peer = this.peers.peek(id);
    if (peer && peer.smoothedMicros >= 0) return peer;
    return this.#all.smoothedMicros < 0 ? null : this.#all;
  }
}
