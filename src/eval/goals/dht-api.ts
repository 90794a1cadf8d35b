/**
 * Role: the goal that the DHT's API keeps its limits and its honest clients: `npm run goals -- dht 8`.
 *
 * Not here: the trials (api-trials.ts).
 */

import { fileURLToPath } from 'node:url';
import type { Miss } from '../dht-network/api-exchange.js';
import { quantile } from '../quantile.js';
import type { ApiResults } from './api-results.js';
import { ATTACK_CONNECTIONS, DAEMONS, FUZZED_MESSAGES, LARGE_GETS } from './api-scale.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';

const TRIALS = fileURLToPath(new URL('./api-trials.js', import.meta.url));
const MOST_P99_MS = 50;
/** What half messages and unread answers of all connections together may take (src/api/server.ts), and garbage. */
const MOST_GROWTH_BYTES = 200e6;

export const apiGoal: Goal = {
  area: 'dht',
  number: 8,
  title: `API: every limit to the byte; GET of 64 KB p99 at most ${MOST_P99_MS} ms, also while ${ATTACK_CONNECTIONS} hostile connections come; ${FUZZED_MESSAGES} faulty messages taken as they must be; memory bounded`,
  sampleSize: `${DAEMONS} peer dht processes; ${LARGE_GETS} GETs at rest, and those of two honest clients during the attack, from a peer that does not hold the content`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('starting …');
  const { code, stdout, log } = await runCommand('dht-8', process.execPath, [TRIALS], { follow: true });
  if (code !== 0) return { passed: false, figure: `the trials broke off; see ${log}` };
  return judgeApi(JSON.parse(stdout) as ApiResults);
}

export function judgeApi(results: ApiResults): Outcome {
  const { limits, attack, grownBytes, fuzzed, alive } = results;
  const broken = limits.filter(({ held }) => !held).map(({ name }) => name);
  const [rest, attacked] = [latencies(results.atRest), latencies(results.underAttack)];
  const passed =
    limits.length > 0 &&
    broken.length === 0 &&
    rest.count >= LARGE_GETS &&
    rest.missed + attacked.missed === 0 &&
    rest.p99 <= MOST_P99_MS &&
    attacked.p99 <= MOST_P99_MS &&
    attack.connections >= ATTACK_CONNECTIONS &&
    grownBytes <= MOST_GROWTH_BYTES &&
    fuzzed.messages >= FUZZED_MESSAGES &&
    fuzzed.wrong === 0 &&
    alive;
  const told = ({ p50, p99, missed, count, why }: Latencies) =>
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${count - missed} of ${count} answered${why})`;
  return {
    passed,
    figure: [
      broken.length === 0 ? `${limits.length} limits kept` : `NOT kept: ${broken.join('; ')}`,
      `GET of 64 KB at rest ${told(rest)}`,
      `under attack ${told(attacked)}`,
      `${attack.connections} hostile connections, ${attack.mostOpen} open at once, ${(grownBytes / 1e6).toFixed(0)} MB more memory`,
      `${fuzzed.wrong} of ${fuzzed.messages} faulty messages taken wrongly`,
      ...(alive ? [] : ['the daemon did not survive']),
    ].join('; '),
  };
}

interface Latencies {
  readonly count: number;
  readonly missed: number;
  /** Of the missed ones. */
  readonly why: string;
  readonly p50: number;
  readonly p99: number;
}

/** One that was not answered took for ever. */
function latencies(times: readonly (number | Miss)[]): Latencies {
  const all = times.map((time) => (typeof time === 'number' ? time : Number.POSITIVE_INFINITY));
  const misses = times.filter((time) => typeof time !== 'number');
  const kinds = [...new Set(misses)].map(
    (kind) => `, ${misses.filter((one) => one === kind).length} ${kind}`,
  );
  return {
    count: times.length,
    missed: misses.length,
    why: kinds.join(''),
    p50: quantile(all, 0.5),
    p99: quantile(all, 0.99),
  };
}
