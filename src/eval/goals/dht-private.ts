/**
 * Role: the goal that private lookups hide who asks: `npm run goals -- dht 6`.
 *
 * Not here: the measurement (benches/dht-private).
 */

import { jsonLines } from './bench.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';

const MOST_LINKED_PERCENT = 4.4;
const GETS = 100_000;
/** An onion there and its reply back: three legs each way. */
const MOST_ROUND_TRIPS = 3.3;

export interface PrivateLinkingLine {
  readonly part: 'linking';
  readonly gets: number;
  readonly colluders: number;
  readonly linked: number;
  readonly linkedRequesters: number;
  readonly onionsPerGet: number;
}

export interface PrivateLatencyLine {
  readonly part: 'latency';
  readonly nodes: number;
  readonly gets: number;
  readonly roundTripMs: number;
  readonly directP50Ms: number;
  readonly privateP50Ms: number;
  readonly tainted: number;
  readonly strangers: number;
}

export const privateGoal: Goal = {
  area: 'dht',
  number: 6,
  title: `requester and key linked in at most ${MOST_LINKED_PERCENT} % of GETs where 20 % collude; nobody but the first hop hears of the requester; p50 at most ${MOST_ROUND_TRIPS} round trips more than a direct GET`,
  sampleSize: `${GETS} GETs of 10 000 requesters among 10 000 nodes, choices only; 100 nodes in virtual time (stand-in cryptography)`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('node dist/benches/dht-private/main.js');
  const { code, stdout, log } = await runCommand('bench-dht-private', process.execPath, [
    'dist/benches/dht-private/main.js',
  ]);
  const lines = jsonLines(stdout, 'dht-private') as (PrivateLinkingLine | PrivateLatencyLine)[];
  if (code !== 0) return { passed: false, figure: `the benchmark did not give its figures; see ${log}` };
  return judgePrivate(lines);
}

export function judgePrivate(lines: readonly (PrivateLinkingLine | PrivateLatencyLine)[]): Outcome {
  const linking = lines.find((line) => line.part === 'linking');
  const latency = lines.find((line) => line.part === 'latency');
  if (!linking || !latency) return { passed: false, figure: 'a part was not measured' };
  const { linked, linkedRequesters, onionsPerGet, gets } = linking;
  const { privateP50Ms, directP50Ms, tainted, strangers } = latency;
  const more = (privateP50Ms - directP50Ms) / latency.roundTripMs;
  const passed =
    gets >= GETS &&
    linked * 100 <= MOST_LINKED_PERCENT &&
    latency.gets > 0 &&
    tainted + strangers === 0 &&
    more <= MOST_ROUND_TRIPS;
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  return {
    passed,
    figure: `${percent(linked)} of GETs linked (${percent(linkedRequesters)} of requesters ever), ${onionsPerGet.toFixed(2)} onions a GET; ${tainted} messages and ${strangers} nodes beyond the first hop; p50 ${privateP50Ms} ms, direct ${directP50Ms} ms, a round trip ${latency.roundTripMs} ms`,
  };
}
