/**
 * Role: results in numbers: what each measure came to at each point, and which thresholds were missed.
 *
 * Invariants: pure; a threshold without observations is missed; trials and calls that failed are told.
 *
 * Not here: observations (measures.ts), how it looks (text.ts, html.ts).
 */

import { MEASURES, type Measure, measureNamed } from './measures.js';
import type { Results, Trial } from './results.js';
import { type Groups, type Statistics, statisticsOf } from './statistics.js';

export interface PointSummary {
  readonly values: Trial['values'];
  readonly trials: readonly Trial[];
  /** Of those measures that have observations. */
  readonly measures: readonly { readonly measure: Measure; readonly statistics: Statistics }[];
}

export interface Summary {
  readonly points: readonly PointSummary[];
  /** Why the run does not pass, each a sentence for a person; none: it passes. */
  readonly faults: readonly string[];
}

export function summarise(results: Results): Summary {
  const points = pointsOf(results.trials);
  const faults = [
    ...(results.state === 'interrupted' ? ['interrupted: not all trials were made'] : []),
    ...points.flatMap((point) => [...failures(point), ...missed(point, results.scenario.thresholds)]),
  ];
  return { points, faults };
}

/** Observations of a measure, by trial; those without any are left out. */
export function observationsOf(measure: Measure, trials: readonly Trial[]): Groups {
  return trials.map((trial) => measure.observe(trial)).filter((values) => values.length > 0);
}

/** For people: `link.delayMs = 20, calls.pairs = 2`. */
export function describe(values: Trial['values']): string {
  const parts = Object.entries(values).map(([path, value]) => `${path} = ${value}`);
  return parts.join(', ') || 'the scenario';
}

function pointsOf(trials: readonly Trial[]): PointSummary[] {
  const groups = new Map<string, Trial[]>();
  for (const trial of trials) {
    const key = JSON.stringify(trial.values);
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  return [...groups.values()].map((ofPoint) => ({
    values: ofPoint[0]?.values ?? {},
    trials: ofPoint,
    measures: MEASURES.flatMap((measure) => {
      const values = observationsOf(measure, ofPoint);
      return values.length === 0 ? [] : [{ measure, statistics: statisticsOf(values) }];
    }),
  }));
}

function failures({ values, trials }: PointSummary): string[] {
  const where = describe(values);
  return trials.flatMap(({ failure, emulator }) => [
    ...(failure === undefined ? [] : [`${where}: a trial failed: ${failure}`]),
    ...(emulator !== null && emulator.by !== 'netem' && emulator.failed > 0
      ? [`${where}: the emulator itself dropped ${emulator.failed} packets`]
      : []),
  ]);
}

function missed(point: PointSummary, thresholds: Results['scenario']['thresholds']): string[] {
  return thresholds.flatMap(({ measure: name, statistic, most, least }) => {
    const measure = measureNamed(name);
    const found = statisticsOf(observationsOf(measure, point.trials))[statistic];
    const holds = found <= (most ?? Number.POSITIVE_INFINITY) && found >= (least ?? Number.NEGATIVE_INFINITY);
    if (holds) return [];
    const wanted = [
      ...(most === undefined ? [] : [`at most ${most}`]),
      ...(least === undefined ? [] : [`at least ${least}`]),
    ].join(' and ');
    const seen = Number.isNaN(found) ? 'nothing was observed' : `it is ${Number(found.toPrecision(4))}`;
    return [
      `${describe(point.values)}: ${name} (${statistic}): ${wanted} ${measure.unit} is wanted; ${seen}`,
    ];
  });
}
