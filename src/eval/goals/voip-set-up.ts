/**
 * Role: the goal that it rings soon: `npm run goals -- voip 3`.
 *
 * Not here: the measurement (call-set-up.ts).
 */

import { fileURLToPath } from 'node:url';
import { quantile } from '../quantile.js';
import { AT_ONCE, CALLS, LINK, PEERS, type SetUpResults } from './call-set-up-results.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';

const PROGRAM = fileURLToPath(new URL('./call-set-up.js', import.meta.url));
const MOST_P50_MS = 1_500;
const MOST_P95_MS = 3_000;
const LEAST_SHARE = 0.995;

export const setUpGoal: Goal = {
  area: 'voip',
  number: 3,
  title: `from dialling to ringing, ${LINK.delayMs} ms a link: p50 at most ${MOST_P50_MS / 1000} s, p95 at most ${MOST_P95_MS / 1000} s; at least ${LEAST_SHARE * 100} % of the calls ring`,
  sampleSize: `${CALLS} calls, ${AT_ONCE} at a time, between ${PEERS} real peers; every call looks its callee up and builds a tunnel`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('building peer-wan …');
  const built = await runCommand('voip-3-build', 'cargo', [
    'build',
    '--release',
    '-p',
    'lab',
    '--bin',
    'peer-wan',
  ]);
  if (built.code !== 0) return { passed: false, figure: `the emulator was not built; see ${built.log}` };
  const measured = await runCommand('voip-3', process.execPath, [PROGRAM], { follow: true });
  if (measured.code !== 0) return { passed: false, figure: `the network broke off; see ${measured.log}` };
  return judgeSetUp(JSON.parse(measured.stdout) as SetUpResults);
}

export function judgeSetUp({ setUps, emulator }: SetUpResults): Outcome {
  const rung = setUps.flatMap(({ ringingAfterMs }) => (ringingAfterMs === null ? [] : [ringingAfterMs]));
  const [p50, p95] = [quantile(rung, 0.5), quantile(rung, 0.95)];
  const dropped = emulator.queueFull + emulator.noRoom + emulator.unwritten;
  const reasons = new Map<string, number>();
  for (const { ringingAfterMs, reason = 'too late' } of setUps)
    if (ringingAfterMs === null) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  const failures = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(', ');
  const passed =
    rung.length >= setUps.length * LEAST_SHARE && p50 <= MOST_P50_MS && p95 <= MOST_P95_MS && dropped === 0;
  return {
    passed,
    figure: [
      `p50 ${(p50 / 1000).toFixed(2)} s, p95 ${(p95 / 1000).toFixed(2)} s`,
      `${rung.length} of ${setUps.length} rang${failures === '' ? '' : ` (${failures})`}`,
      `emulator late ${emulator.lateUs.p99} µs at p99`,
      ...(dropped === 0 ? [] : [`the emulator itself dropped ${dropped}`]),
    ].join('; '),
  };
}
