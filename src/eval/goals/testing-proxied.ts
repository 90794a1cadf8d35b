/**
 * Role: the goal that calls connect though the APIs are disturbed: `npm run goals -- testing 3`.
 *
 * Not here: the calls (proxied-call.ts).
 */

import { fileURLToPath } from 'node:url';
import { quantile } from '../quantile.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import type { ProxiedResults } from './proxied-call-results.js';

const PROGRAM = fileURLToPath(new URL('./proxied-call.js', import.meta.url));
const CALLS = 40;
/** Each must have done something, or nothing was shown. */
const RULES = ['slow', 'twice', 'cut-once'].flatMap((rule) => [`dht ${rule}`, `kx ${rule}`]);

export const proxiedGoal: Goal = {
  area: 'testing',
  number: 3,
  title:
    'calls connect and are heard while 5 % of the API messages come 2 s late, 5 % twice, and a connection of each API is cut',
  sampleSize: `${CALLS} calls both ways between two of six real peers, one of which has its APIs behind proxies`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell(`${CALLS} calls; about five minutes`);
  const { code, stdout, log } = await runCommand('testing-3', process.execPath, [PROGRAM, String(CALLS)], {
    follow: true,
  });
  if (code !== 0) return { passed: false, figure: `the network broke off; see ${log}` };
  return judgeProxied(JSON.parse(stdout) as ProxiedResults);
}

export function judgeProxied({ calls, messages, applied }: ProxiedResults): Outcome {
  const failed = calls.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
  const rung = calls.flatMap(({ ringingAfterMs }) => (ringingAfterMs === undefined ? [] : [ringingAfterMs]));
  const idle = RULES.filter((rule) => (applied[rule] ?? 0) === 0);
  const done = RULES.map((rule) => `${rule} ${applied[rule] ?? 0}`).join(', ');
  return {
    passed: calls.length >= CALLS && failed.length === 0 && idle.length === 0,
    figure: [
      `${rung.length} of ${calls.length} calls rang and were heard, after p50 ${(quantile(rung, 0.5) / 1000).toFixed(2)} s, p95 ${(quantile(rung, 0.95) / 1000).toFixed(2)} s`,
      `${messages} API messages through the proxies; applied: ${done}`,
      ...failed,
    ].join('; '),
  };
}
