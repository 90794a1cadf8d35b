/**
 * Role: two evaluations side by side: what each measure came to at each point that both have, and whether that differs.
 *
 * Invariants: pure; a difference counts as one where its interval of 95 % does not have 0 in it: with many measures, one in twenty
 * does so by chance.
 *
 * Not here: how it is printed (cli/eval-compare.ts).
 */

import { MEASURES, type Measure } from './measures.js';
import { environmentOf, type Results, type Trial } from './results.js';
import { difference, type Statistics, statisticsOf } from './statistics.js';
import { observationsOf } from './summary.js';

export type Verdict = 'better' | 'worse' | 'other' | 'same' | 'unknown';

export interface MeasureComparison {
  readonly measure: Measure;
  readonly one: Statistics;
  readonly other: Statistics;
  /** How much greater the mean of the second is, with the half width of the interval of 95 %; NaN: too few networks. */
  readonly difference: { readonly mean: number; readonly halfWidth: number };
  /** Of the second; 'same': no difference that is none of chance; 'unknown': too few networks. */
  readonly verdict: Verdict;
}

export interface PointComparison {
  readonly values: Trial['values'];
  readonly measures: readonly MeasureComparison[];
}

export interface Comparison {
  readonly points: readonly PointComparison[];
  /** Points that only one of both has. */
  readonly alone: readonly Trial['values'][];
  /** What else differs, each a sentence: then a difference may come of it. */
  readonly remarks: readonly string[];
}

export function compareResults(one: Results, other: Results): Comparison {
  const [ofOne, ofOther] = [trialsByPoint(one), trialsByPoint(other)];
  const points: PointComparison[] = [];
  const alone: Trial['values'][] = [];
  for (const key of new Set([...ofOne.keys(), ...ofOther.keys()])) {
    const [a, b] = [ofOne.get(key), ofOther.get(key)];
    const values = (a ?? b)?.[0]?.values ?? {};
    if (a === undefined || b === undefined) alone.push(values);
    else points.push({ values, measures: MEASURES.flatMap((measure) => compareMeasure(measure, a, b)) });
  }
  return { points, alone, remarks: remarks(one, other) };
}

function compareMeasure(measure: Measure, a: readonly Trial[], b: readonly Trial[]): MeasureComparison[] {
  const [one, other] = [observationsOf(measure, a), observationsOf(measure, b)];
  if (one.length === 0 && other.length === 0) return [];
  const found = difference(one, other);
  const statistics = { one: statisticsOf(one), other: statisticsOf(other) };
  return [{ measure, ...statistics, difference: found, verdict: verdictOf(measure, found) }];
}

function verdictOf({ isMoreBetter }: Measure, { mean, halfWidth }: MeasureComparison['difference']): Verdict {
  if (Number.isNaN(halfWidth)) return 'unknown';
  if (mean === 0 || Math.abs(mean) <= halfWidth) return 'same';
  if (isMoreBetter === null) return 'other';
  return mean > 0 === isMoreBetter ? 'better' : 'worse';
}

function trialsByPoint({ trials }: Results): Map<string, Trial[]> {
  const points = new Map<string, Trial[]>();
  for (const trial of trials) {
    const key = JSON.stringify(Object.entries(trial.values).sort());
    points.set(key, [...(points.get(key) ?? []), trial]);
  }
  return points;
}

function remarks(one: Results, other: Results): string[] {
  const differs = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b);
  return [
    ...(differs(one.machine, other.machine) ? ['they were made on different machines'] : []),
    ...(differs(environmentOf(one), environmentOf(other))
      ? [`their environments differ: ${environmentOf(one)}, ${environmentOf(other)}`]
      : []),
    ...(differs(one.scenario.text, other.scenario.text) ? ['their scenario files differ'] : []),
    ...(one.state === 'interrupted' || other.state === 'interrupted' ? ['one of them was interrupted'] : []),
  ];
}
