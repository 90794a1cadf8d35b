/**
 * Role: the goal that a relay is nearly as fast as a plain forwarder: `npm run goals -- kx 2`.
 *
 * Not here: the relay between two networks (relay-speed.ts).
 */

import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import type { LoadRound, RelayResults } from './relay-results.js';

const RELAY_SPEED = fileURLToPath(new URL('./relay-speed.js', import.meta.url));
const LEAST_SHARE = 0.75;
const LEAST_BURST_CELLS = 1_000_000;
const MOST_ADDED_P50_US = 10;
const MOST_ADDED_P99_US = 50;

export const relayGoal: Goal = {
  area: 'kx',
  number: 2,
  title: `a relay forwards at least ${LEAST_SHARE} × the cells of a plain forwarder without GSO, ${LEAST_BURST_CELLS / 1e6} million/s and core in bursts of 32, and adds at most ${MOST_ADDED_P50_US} µs (p50) and ${MOST_ADDED_P99_US} µs (p99)`,
  sampleSize:
    '15 rounds of 20 000 cells each way of sending, 7 rounds of 10 000 at 5 000/s; the forwarder in turn',
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('building peer-load …');
  const built = await runCommand('kx-2-build', 'cargo', [
    'build',
    '--release',
    '-p',
    'lab',
    '--bin',
    'peer-load',
  ]);
  if (built.code !== 0) return { passed: false, figure: `peer-load was not built; see ${built.log}` };
  const { code, stdout, log } = await runCommand('kx-2', process.execPath, [RELAY_SPEED], { follow: true });
  if (code !== 0) return { passed: false, figure: `the measurement broke off; see ${log}` };
  return judgeRelay(JSON.parse(stdout) as RelayResults);
}

export function judgeRelay({ single, bursts, delay }: RelayResults): Outcome {
  const lost = [...single, ...bursts, ...delay].reduce(
    (sum, { sent, arrived }) => sum + Math.max(0, sent - arrived),
    0,
  );
  const alone = { relay: cellsPerSecond(single, 'relay'), forwarder: cellsPerSecond(single, 'forwarder') };
  const share = alone.relay / alone.forwarder;
  const burst = cellsPerSecond(bursts, 'relay');
  const added = {
    p50: (delayOf(delay, 'relay', 'p50Ns') - delayOf(delay, 'forwarder', 'p50Ns')) / 1000,
    p99: (delayOf(delay, 'relay', 'p99Ns') - delayOf(delay, 'forwarder', 'p99Ns')) / 1000,
  };
  const passed =
    lost === 0 &&
    share >= LEAST_SHARE &&
    burst >= LEAST_BURST_CELLS &&
    added.p50 <= MOST_ADDED_P50_US &&
    added.p99 <= MOST_ADDED_P99_US;
  const thousands = (rate: number) => `${(rate / 1000).toFixed(0)} thousand`;
  return {
    passed,
    figure: [
      `${share.toFixed(2)} × the forwarder without GSO (${thousands(alone.relay)} of ${thousands(alone.forwarder)}/s of processor time)`,
      `${thousands(burst)}/s of processor time in bursts`,
      `${added.p50.toFixed(1)} µs added at p50, ${added.p99.toFixed(1)} µs at p99`,
      `${lost} lost`,
    ].join('; '),
  };
}

/** Median over the rounds, for each second of the process's own processor time. */
function cellsPerSecond(rounds: readonly LoadRound[], target: LoadRound['target']): number {
  return median(
    rounds.flatMap((round) =>
      round.measure === 'rate' && round.target === target ? [(round.arrived / round.processorNs) * 1e9] : [],
    ),
  );
}

function delayOf(rounds: readonly LoadRound[], target: LoadRound['target'], part: 'p50Ns' | 'p99Ns'): number {
  return median(
    rounds.flatMap((round) => (round.measure === 'delay' && round.target === target ? [round[part]] : [])),
  );
}

/** NaN for nothing, which passes no comparison. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
