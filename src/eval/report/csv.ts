/**
 * Role: the ways of all calls as CSV (RFC 4180), a line each, for whoever wants to compute with them.
 *
 * Not here: all that was measured (results.json).
 */

import { MEASURES } from './measures.js';
import type { Results } from './results.js';

/** Of these, each way has one observation at most. */
const OF_WAYS = [
  ...['mouthToEarMs', 'mouthToEarP95Ms', 'pesq', 'r', 'lossPercent', 'latePercent', 'concealedPercent'],
  ...['jitterMs', 'bufferMs'],
];
const OF_CALLS = ['ringingMs', 'lookupMs', 'tunnelMs', 'roundTripMs'];

export function csvOf({ scenario, trials }: Results): string {
  const measures = MEASURES.filter(({ name }) => [...OF_CALLS, ...OF_WAYS].includes(name));
  const header = [
    ...scenario.swept,
    ...['repetition', 'seed', 'pair', 'call', 'from', 'to', 'failure'],
    ...measures.map(({ name }) => name),
  ];
  const rows = trials.flatMap((trial) =>
    trial.calls.flatMap((call) =>
      call.ways.map((way) => {
        const alone = { ...trial, calls: [{ ...call, ways: [way] }] };
        return [
          ...scenario.swept.map((path) => trial.values[path]),
          ...[trial.repetition, trial.seed, call.pair, call.number, way.from, way.to, call.failure],
          ...measures.map((measure) => measure.observe(alone)[0]),
        ];
      }),
    ),
  );
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number | boolean | undefined): string {
  const text = value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
