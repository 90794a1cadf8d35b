/**
 * Role: how well two kinds of observations can be told apart: the area under the curve (AUC) of a random forest on observations that it has
 * not learned from, and of each feature alone.
 *
 * An AUC of 0.5 is guessing, 1 is certainty. Equally many of both kinds are learned from, so that guessing comes to 0.5 on average
 * also with few observations.
 */

import { RandomForestClassifier } from 'ml-random-forest';
import type { Observation } from './results.js';

/** Share that is learned from, and the most of each kind: trees take a time that grows with the square. */
const LEARNED = 0.8;
const MOST_LEARNED = 100;
/** Learned anew until so many were tested, and so often at least: where there are few, chance has much to say. */
const TESTED = 400;
const LEAST_ROUNDS = 3;
const TREES = 100;
const FEATURES_A_TREE = 0.5;

export interface Told {
  readonly auc: number;
  /** Half of the 95 % interval, by Hanley and McNeil (Radiology 143, 1982). */
  readonly margin: number;
  /** The feature that tells most by itself, and its AUC. */
  readonly best: string;
  readonly bestAuc: number;
}

/** @param fraction uniform in [0, 1): which observations are learned from together */
export function tellApart(
  ones: readonly Observation[],
  others: readonly Observation[],
  fraction: () => number,
): Told {
  const names = Object.keys(ones[0]?.features ?? {});
  const row = ({ features }: Observation) => names.map((name) => features[name] ?? 0);
  const [a, b] = [ones.map(row), others.map(row)];
  const areas: number[] = [];
  const learned = Math.min(Math.floor(Math.min(a.length, b.length) * LEARNED), MOST_LEARNED);
  // Too few to learn from tell nothing, and NaN passes no comparison.
  if (learned === 0) return { auc: Number.NaN, margin: Number.NaN, best: 'none', bestAuc: Number.NaN };
  const rounds = Math.max(LEAST_ROUNDS, Math.ceil(TESTED / (a.length + b.length - 2 * learned)));
  for (let round = 0; round < rounds; round += 1) {
    const [left, right] = [shuffled(a, fraction), shuffled(b, fraction)];
    const forest = new RandomForestClassifier({
      ...{ nEstimators: TREES, maxFeatures: FEATURES_A_TREE, noOOB: true, seed: round },
    });
    const [learnA, learnB] = [left.slice(0, learned), right.slice(0, learned)];
    forest.train([...learnA, ...learnB], [...learnA.map(() => 1), ...learnB.map(() => 0)]);
    const score = (rows: number[][]) =>
      forest
        .predictionValues(rows)
        .to2DArray()
        .map((votes) => votes.reduce((sum, vote) => sum + vote, 0) / votes.length);
    areas.push(areaUnderCurve(score(left.slice(learned)), score(right.slice(learned))));
  }
  const auc = areas.reduce((sum, value) => sum + value, 0) / areas.length;
  const single = names.map((name, index) => {
    const area = areaUnderCurve(
      a.map((values) => values[index] as number),
      b.map((values) => values[index] as number),
    );
    return { name, auc: Math.max(area, 1 - area) };
  });
  const best = single.reduce((most, one) => (one.auc > most.auc ? one : most), { name: 'none', auc: 0.5 });
  return { auc, margin: 1.96 * standardError(auc, a.length, b.length), best: best.name, bestAuc: best.auc };
}

/** The share of pairs in which the first has the higher value; those that are equal count half. */
export function areaUnderCurve(ones: readonly number[], others: readonly number[]): number {
  let higher = 0;
  for (const one of ones) for (const other of others) higher += one > other ? 1 : one === other ? 0.5 : 0;
  return higher / (ones.length * others.length);
}

function standardError(auc: number, ones: number, others: number): number {
  const [q1, q2] = [auc / (2 - auc), (2 * auc ** 2) / (1 + auc)];
  const sum = auc * (1 - auc) + (ones - 1) * (q1 - auc ** 2) + (others - 1) * (q2 - auc ** 2);
  return Math.sqrt(sum / (ones * others));
}

function shuffled<T>(list: readonly T[], fraction: () => number): T[] {
  const copy = [...list];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(fraction() * (last + 1));
    [copy[last], copy[other]] = [copy[other] as T, copy[last] as T];
  }
  return copy;
}
