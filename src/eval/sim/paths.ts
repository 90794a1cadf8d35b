/**
 * Role: how long packets take between the places of a simulation, and which are lost.
 *
 * In the wide area a round trip is the distance of two points of the unit square and what both accesses add, scaled so
 * that the median over pairs is the one asked for; each packet has some more, exponentially distributed.
 */
import type { SeededRandom } from './seeded-random.js';
import type { Paths, Place } from './virtual-internet.js';

/** All paths alike, nothing lost. */
export class EvenPaths implements Paths {
  constructor(readonly oneWayMs: number) {}
  delayMs(): number {
    return this.oneWayMs;
  }
  loses(): boolean {
    return false;
  }
}

export interface WideAreaOptions {
  readonly medianRoundTripMs: number;
  /** Mean of what a packet takes longer than the shortest, one way. */
  readonly jitterMs: number;
  /** Share of the datagrams that are lost, 0 to 1. */
  readonly loss: number;
}

const MEAN_ACCESS = 0.05;
const SAMPLE_PAIRS = 4_001;

const distance = (a: Place, b: Place) => Math.hypot(a.x - b.x, a.y - b.y) + a.access + b.access;

export class WideArea implements Paths {
  readonly #oneWayMsPerUnit: number;

  constructor(
    readonly random: SeededRandom,
    readonly options: WideAreaOptions,
  ) {
    const sample = Array.from({ length: SAMPLE_PAIRS }, () => distance(this.place(), this.place()));
    const median = sample.sort((a, b) => a - b)[SAMPLE_PAIRS >> 1] as number;
    this.#oneWayMsPerUnit = options.medianRoundTripMs / 2 / median;
  }

  /** Somewhere. */
  place(): Place {
    const { random } = this;
    return { x: random.fraction(), y: random.fraction(), access: random.exponential(MEAN_ACCESS) };
  }

  delayMs(from: Place, to: Place): number {
    return distance(from, to) * this.#oneWayMsPerUnit + this.random.exponential(this.options.jitterMs);
  }

  loses(): boolean {
    return this.options.loss > 0 && this.random.fraction() < this.options.loss;
  }
}
