/**
 * Role: the goal that one relay carries many calls, also under attack: `npm run goals -- kx 6`.
 *
 * Not here: the calls and the flood (relay-voices.ts).
 */

import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import type { VoicesResults, VoicesRound } from './voices-results.js';

const VOICES = fileURLToPath(new URL('./relay-voices.js', import.meta.url));
const CALLS = 500;
const MOST_P99_MS = 1;
const MOST_RESIDENT_MIB = 64;
const MOST_MORE_P99_MS = 20;

export const voicesGoal: Goal = {
  area: 'kx',
  number: 6,
  title: `${CALLS} calls through one relay: p99 at most ${MOST_P99_MS} ms, no loss; under a flood at most ${MOST_RESIDENT_MIB} MiB more memory and p99 at most ${MOST_MORE_P99_MS} ms higher`,
  sampleSize: `3 rounds of 10 s at rest and 3 under a flood, 2 × ${CALLS * 50} packets a second`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('building peer-load …');
  const built = await runCommand('kx-6-build', 'cargo', [
    'build',
    '--release',
    '-p',
    'lab',
    '--bin',
    'peer-load',
  ]);
  if (built.code !== 0) return { passed: false, figure: `peer-load was not built; see ${built.log}` };
  const args = [VOICES, String(CALLS)];
  const { code, stdout, log } = await runCommand('kx-6', process.execPath, args, { follow: true });
  if (code !== 0) return { passed: false, figure: `the measurement broke off; see ${log}` };
  return judgeVoices(JSON.parse(stdout) as VoicesResults);
}

/** Medians over the rounds; losses and memory of the worst. The delay is that of the whole way, the kernel's part in it. */
export function judgeVoices({ idleKb, quiet, flooded }: VoicesResults): Outcome {
  const p99 = median(quiet.map(({ p99Ns }) => p99Ns)) / 1e6;
  const floodedP99 = median(flooded.map(({ p99Ns }) => p99Ns)) / 1e6;
  const mib = (Math.max(...flooded.map(({ residentKb }) => residentKb)) - idleKb) / 1024;
  const lost = lostIn(quiet);
  const passed =
    quiet.length > 0 &&
    lost === 0 &&
    quiet.every(({ calls, heard }) => calls >= CALLS && heard > 0) &&
    p99 <= MOST_P99_MS &&
    mib <= MOST_RESIDENT_MIB &&
    floodedP99 - p99 <= MOST_MORE_P99_MS;
  return {
    passed,
    figure: `p99 ${p99.toFixed(2)} ms, ${lost} lost; under the flood p99 ${floodedP99.toFixed(2)} ms, ${lostIn(flooded)} lost, ${mib.toFixed(0)} MiB more memory`,
  };
}

function lostIn(rounds: readonly VoicesRound[]): number {
  return rounds.reduce((sum, { sent, heard }) => sum + sent - heard, 0);
}

/** NaN for nothing, which passes no comparison. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
