/** Role: an evaluation's summary for a terminal. Not here: the numbers (summary.ts). */

import type { Measure } from './measures.js';
import type { Trial } from './results.js';
import type { Statistics } from './statistics.js';
import { describe, type PointSummary, type Summary } from './summary.js';

export function textOf({ points, faults }: Summary): string {
  return [
    ...points.flatMap(pointText),
    ...(faults.length === 0 ? ['PASSED'] : ['FAILED', ...faults.map((fault) => `  ${fault}`)]),
  ].join('\n');
}

function pointText({ values, trials, measures }: PointSummary): string[] {
  const calls = trials.flatMap((trial) => trial.calls);
  const failed = calls.filter(({ failure }) => failure !== undefined);
  return [
    `${describe(values)}: ${calls.length} calls in ${trials.length} networks${failed.length === 0 ? '' : `, ${failed.length} failed`}`,
    ...[...new Set(failed.map(({ failure }) => `  ${failure}`))],
    ...measures.map(
      ({ measure, statistics }) => `  ${measure.name.padEnd(18)} ${figure(measure, statistics)}`,
    ),
    ...trials.flatMap(emulatorText),
    '',
  ];
}

/** Mean with its interval, median and p95; how many observations in how many networks. */
export function figure(
  { unit }: Measure,
  { count, networks, mean, halfWidth, median, p95 }: Statistics,
): string {
  const interval = Number.isNaN(halfWidth) ? '' : ` ± ${short(halfWidth)}`;
  return `${short(mean)}${interval} ${unit} (median ${short(median)}, p95 ${short(p95)}, n ${count} in ${networks})`.replace(
    '  ',
    ' ',
  );
}

export function emulatorText({ emulator }: Trial): string[] {
  if (emulator === null) return [];
  const { echoes } = emulator;
  const came = echoes.roundTripsMs.filter((time) => time !== null).length;
  const echoed = `${came} of ${echoes.roundTripsMs.length} echoes of ${short(echoes.wantedMs)} ms came`;
  if (emulator.by === 'netem') return [`  links by the kernel's netem: ${echoed}`];
  const { lateUs, offered, lost, queueFull, failed, realtime } = emulator;
  return [
    `  emulator: ${lateUs.p50} µs late at p50, ${lateUs.p99} µs at p99, ${lateUs.max} µs at most; ${offered} packets, ` +
      `${lost} lost as wanted, ${queueFull} by full queues, ${failed} by itself; ${echoed}` +
      (realtime ? '' : '; without real-time priority'),
  ];
}

/** Four digits at most. */
export function short(value: number): string {
  if (Number.isNaN(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}
