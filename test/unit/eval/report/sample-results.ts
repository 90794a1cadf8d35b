/** Role: results as an evaluation could have made them, for the tests of reports. Not here: assertions. */

import type { CallRecord, PeerWanCheck, Results, Trial } from '../../../../src/eval/report/results.js';

/** One call between two, each heard `delayMs` later and `pesq` good. */
export function sampleCall(delayMs: number, pesq: number, more: Partial<CallRecord> = {}): CallRecord {
  const way = (from: string, to: string) => ({
    from,
    to,
    spells: [{ atSeconds: 12, delaysMs: [delayMs - 1, delayMs, delayMs + 9], pesq }],
    voice: [{ atSeconds: 12, received: 990, lost: 10, late: 5, concealed: 12, jitterMs: 2, bufferMs: 30 }],
  });
  return {
    ...{ pair: 0, number: 0, caller: 'a1', callee: 'b1', ringingAfterMs: 800, roundTripMs: 2 * delayMs },
    steps: [
      { state: 'looking-up', afterMs: 300 },
      { state: 'building', afterMs: 400 },
      { state: 'connecting', afterMs: 900 },
      { state: 'ringing', afterMs: 1_100 },
    ],
    ways: [way('a1', 'b1'), way('b1', 'a1')],
    ...more,
  };
}

export const SAMPLE_EMULATOR: PeerWanCheck = {
  lateUs: { p50: 40, p99: 200, max: 4_000 },
  echoes: { wantedMs: 20, roundTripsMs: [21, 20.5, null, 22] },
  ...{ offered: 1_000, lost: 10, queueFull: 0, failed: 0, realtime: true },
};

export function sampleTrial(
  values: Trial['values'],
  calls: readonly CallRecord[],
  more: Partial<Trial> = {},
): Trial {
  const load = { cpuPercent: 5, sentKbps: 300, receivedKbps: 310 };
  return {
    ...{ values, calls, repetition: 0, seed: 1, seconds: 60 },
    peers: [
      { peer: 'a1', region: 'a', role: 'caller', ...load },
      { peer: 'b1', region: 'b', role: 'callee', ...load, cpuPercent: null },
      { peer: 'a2', region: 'a', role: 'relay', ...load, cpuPercent: 1 },
    ],
    emulator: SAMPLE_EMULATOR,
    ...more,
  };
}

export function sampleResults(trials: readonly Trial[], more: Partial<Results['scenario']> = {}): Results {
  return {
    ...{ format: 1, begun: '2026-01-01T00:00:00.000Z', state: 'complete', trials },
    scenario: {
      ...{ file: 's.toml', text: 'seed = 1\n', description: 'a sample', seed: 1, thresholds: [] },
      swept: [...new Set(trials.flatMap(({ values }) => Object.keys(values)))],
      ...more,
    },
    versions: { peer: '0.1.0 (abc)', node: '20.19.0' },
    machine: { system: 'Linux 6', processor: 'Some', cores: 2, memoryGigabytes: 4 },
  };
}
