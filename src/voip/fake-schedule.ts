/**
 * Role: when fake calls begin and how long they last, drawn as those of people are.
 *
 * Invariants: begins are a Poisson process of a constant rate, so that none says anything about the next; rings and
 * lengths are log-normal, as measured call holding times nearly are (Bolotin, IEEE JSAC 12-3, 1994), and bounded.
 *
 * Not here: the calls (fake-calls.ts).
 */

const DAY_MS = 86_400_000;
const RING = { medianMs: 8_000, sigma: 0.6, leastMs: 2_000, mostMs: 40_000 };
const TALK = { medianMs: 75_000, sigma: 1.1, leastMs: 5_000, mostMs: 3_600_000 };

export interface FakeCallPlan {
  /** From the end of the one before. */
  readonly afterMs: number;
  readonly ringMs: number;
  readonly talkMs: number;
}

/** @param fraction uniform in [0, 1) and not to be guessed */
export function drawFakeCall(callsPerDay: number, fraction: () => number): FakeCallPlan {
  const afterMs = (-Math.log(1 - fraction()) * DAY_MS) / callsPerDay;
  return {
    afterMs,
    ringMs: logNormal(RING, fraction),
    talkMs: logNormal(TALK, fraction),
  };
}

interface Shape {
  readonly medianMs: number;
  readonly sigma: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

/** What is out of bounds is drawn again, so that no bound is a frequent value. */
function logNormal(shape: Shape, fraction: () => number): number {
  for (;;) {
    const radius = Math.sqrt(-2 * Math.log(1 - fraction()));
    const drawn = shape.medianMs * Math.exp(shape.sigma * radius * Math.cos(2 * Math.PI * fraction()));
    if (drawn >= shape.leastMs && drawn <= shape.mostMs) return Math.round(drawn);
  }
}
