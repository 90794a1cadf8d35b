/**
 * Round-trip times: what was measured, and the timeouts that follow from it.
 *
 * Smoothed as TCP does (RFC 6298). `hedgeMs` is when somebody else is asked as well, `timeoutMs` when an attempt
 * is given up. Peers without measurements of their own take those of the whole network.
 */
import { BoundedMap } from './bounded-map.js';

const FIRST_HEDGE_MS = 150;
const FIRST_TIMEOUT_MS = 500;
const MIN_HEDGE_MS = 5;
const MAX_HEDGE_MS = 400;
const MIN_TIMEOUT_MS = 250;
const MAX_TIMEOUT_MS = 1_500;

interface Estimate {
  smoothedMs: number;
  deviationMs: number;
}

function update(estimate: Estimate | undefined, sampleMs: number): Estimate {
  if (!estimate) return { smoothedMs: sampleMs, deviationMs: sampleMs / 2 };
  const deviation = Math.abs(sampleMs - estimate.smoothedMs);
  return {
    smoothedMs: estimate.smoothedMs + (sampleMs - estimate.smoothedMs) / 8,
    deviationMs: estimate.deviationMs + (deviation - estimate.deviationMs) / 4,
  };
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

export class RoundTrips {
  readonly #peers = new BoundedMap<string, Estimate>(2048);
  #all: Estimate | undefined;

  /** One measured round trip of a peer, in milliseconds. */
  sample(peer: string, milliseconds: number): void {
    // Clocks are set and machines sleep: neither may spoil the estimates for long.
    const sampleMs = clamp(milliseconds, 0, MAX_TIMEOUT_MS);
    const known = this.#peers.get(peer);
    if (known) Object.assign(known, update(known, sampleMs));
    else this.#peers.set(peer, update(undefined, sampleMs));
    this.#all = update(this.#all, sampleMs);
  }

  hedgeMs(peer: string): number {
    const estimate = this.#peers.peek(peer) ?? this.#all;
    if (!estimate) return FIRST_HEDGE_MS;
    return clamp(estimate.smoothedMs + 3 * estimate.deviationMs, MIN_HEDGE_MS, MAX_HEDGE_MS);
  }

  /** @param attempt 0 for the first; each further one waits twice as long */
  timeoutMs(peer: string, attempt: number): number {
    const estimate = this.#peers.peek(peer) ?? this.#all;
    const first = estimate
      ? clamp(2 * estimate.smoothedMs + 4 * estimate.deviationMs, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS)
      : FIRST_TIMEOUT_MS;
    return Math.min(first * 2 ** attempt, MAX_TIMEOUT_MS);
  }

  /** Smoothed round trip over all peers in milliseconds, null before the first. */
  get smoothedMs(): number | null {
    return this.#all?.smoothedMs ?? null;
  }
}
