/**
 * Role: what is drawn of results: each measure by each swept parameter, and by the time within calls; as SVG.
 *
 * Invariants: drawn without a browser and without anything from the network; a plot without observations is left out.
 *
 * Not here: the page around them (html.ts).
 */

import { median } from '../quantile.js';
import { ratingOf } from './e-model.js';
import type { Measure } from './measures.js';
import type { Results, Spell, Trial } from './results.js';
import { describe, observationsOf, type PointSummary } from './summary.js';

export interface Plot {
  readonly title: string;
  readonly svg: string;
}

/** A description in Vega-Lite's language. */
type Description = Readonly<Record<string, unknown>>;

/** Below, each label whole. */
const LEGEND = { orient: 'bottom', columns: 1, labelLimit: 0, symbolOpacity: 1 };
const WIDTH = 360;
const HEIGHT = 220;
/** Pixels between the axis and the least and greatest value. */
const PADDING = 12;

/** Each measure over each swept parameter; the other parameters are told apart by colour. */
export async function sweepPlots(swept: readonly string[], points: readonly PointSummary[]): Promise<Plot[]> {
  const plots: Plot[] = [];
  for (const path of swept) {
    const measures = new Set(points.flatMap((point) => point.measures.map(({ measure }) => measure)));
    for (const measure of measures)
      plots.push({
        title: `${measure.title} by ${path}`,
        svg: await draw(sweepDescription(measure, path, points)),
      });
  }
  return plots;
}

function sweepDescription(measure: Measure, path: string, points: readonly PointSummary[]): Description {
  const rows = points.flatMap((point) => {
    const found = point.measures.find((one) => one.measure === measure);
    if (found === undefined) return [];
    const { mean, halfWidth } = found.statistics;
    const { [path]: x, ...rest } = point.values;
    const interval = Number.isNaN(halfWidth) ? {} : { low: mean - halfWidth, high: mean + halfWidth };
    return [{ x, others: Object.keys(rest).length === 0 ? '' : describe(rest), mean, ...interval, point }];
  });
  const observed = rows.flatMap(({ point, x, others }) =>
    observationsOf(measure, point.trials)
      .flat()
      .map((value) => ({ x, others, value })),
  );
  const isNumeric = rows.every(({ x }) => typeof x === 'number');
  const type = isNumeric ? 'quantitative' : 'nominal';
  const scale = { zero: false };
  const title = measure.unit === '' ? measure.name : `${measure.name} (${measure.unit})`;
  const y = (field: string) => ({ field, type: 'quantitative', title, scale });
  const colour = rows.some(({ others }) => others !== '')
    ? { color: { field: 'others', type: 'nominal', title: null, sort: null, legend: LEGEND } }
    : {};
  return {
    data: { values: rows.map(({ point: _, ...row }) => row) },
    encoding: {
      x: { field: 'x', type, title: path, ...(isNumeric ? { scale: { ...scale, padding: PADDING } } : {}) },
      ...colour,
    },
    layer: [
      {
        data: { values: observed },
        mark: { type: 'point', opacity: 0.25, size: 14 },
        encoding: { y: y('value') },
      },
      ...(isNumeric ? [{ mark: 'line', encoding: { y: y('mean') } }] : []),
      { mark: { type: 'point', filled: true, size: 40 }, encoding: { y: y('mean') } },
      {
        transform: [{ filter: 'isValid(datum.low)' }],
        mark: { type: 'errorbar', ticks: true },
        encoding: { y: y('low'), y2: { field: 'high' } },
      },
    ],
  };
}

/** How calls go on: each way of each call a line. */
export async function timePlots(results: Results): Promise<Plot[]> {
  const kinds: readonly [string, (spell: Spell) => number][] = [
    ['mouth to ear (ms)', ({ delaysMs }) => median(delaysMs)],
    ['PESQ-WB', ({ pesq }) => pesq],
    ['E-model R', ({ pesq, delaysMs }) => ratingOf(pesq, delaysMs.length === 0 ? 0 : median(delaysMs))],
  ];
  const plots: Plot[] = [];
  for (const [title, observe] of kinds) {
    const values = results.trials.flatMap((trial, number) => spellsOf(trial, number, observe));
    if (values.length > 0)
      plots.push({ title: `${title} during calls`, svg: await draw(timeDescription(title, values)) });
  }
  return plots;
}

interface SpellRow {
  readonly at: number;
  readonly value: number;
  /** Which way of which call, and which point it is of. */
  readonly way: string;
  readonly point: string;
}

function spellsOf({ values, calls }: Trial, number: number, observe: (spell: Spell) => number): SpellRow[] {
  const rows = calls.flatMap((call) =>
    call.ways.flatMap(({ from, spells }) =>
      spells.map((spell) => ({
        ...{ at: spell.atSeconds, value: observe(spell), point: describe(values) },
        way: [number, call.pair, call.number, from].join(' '),
      })),
    ),
  );
  return rows.filter(({ value }) => Number.isFinite(value));
}

function timeDescription(title: string, values: readonly SpellRow[]): Description {
  const isSwept = new Set(values.map(({ point }) => point)).size > 1;
  const colour = { field: 'point', type: 'nominal', title: null, sort: null, legend: LEGEND };
  return {
    data: { values },
    mark: { type: 'line', point: { size: 14 }, opacity: 0.6, strokeWidth: 1 },
    encoding: {
      x: { field: 'at', type: 'quantitative', title: 'seconds since the call was answered' },
      y: { field: 'value', type: 'quantitative', title, scale: { zero: false } },
      detail: { field: 'way' },
      ...(isSwept ? { color: colour } : {}),
    },
  };
}

async function draw(description: Description): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const config = {
    background: 'white',
    font: 'sans-serif',
    view: { continuousWidth: WIDTH, continuousHeight: HEIGHT },
  };
  const { spec } = compile({ ...description, config } as never);
  const svg = await new vega.View(vega.parse(spec), { renderer: 'none', logLevel: vega.Error }).toSVG();
  // Inside of HTML the names of the languages go without saying.
  return svg.replace(/ xmlns(:xlink)?="[^"]*"/g, '');
}
