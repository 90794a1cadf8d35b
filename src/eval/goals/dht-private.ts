/**
 * Role: the goal that private lookups hide who asks, and how much longer they take: `npm run goals -- dht 6`.
 *
 * Not here: the measurements (benches/dht-private; the simulator's scenario `private`).
 */

import { jsonLines } from './bench.js';
import { runCommand } from './command.js';
import { simulated } from './dht-simulation.js';
import { type Goal, type Outcome, type Part, runParts, type Tell } from './goal.js';

const MOST_LINKED_PERCENT = 4.4;
const LINKED_GETS = 100_000;
const NODES = 10_000;
const TIMED_GETS = 1_000;
const MOST_SHARE = 2.2;
const LEAST_FOUND_PERCENT = 99;

export interface PrivateLinkingLine {
  readonly part: 'linking';
  readonly gets: number;
  readonly linked: number;
  readonly linkedRequesters: number;
  readonly linkedByAsked: number;
  readonly onionsPerGet: number;
}

/** Among 100 nodes, of whose every message the plaintext is looked at. */
export interface PrivateTaintLine {
  readonly part: 'latency';
  readonly gets: number;
  readonly tainted: number;
  readonly strangers: number;
}

export interface PrivateTimes {
  readonly gets: number;
  readonly privateFoundPercent: number;
  readonly directMsP50: number;
  readonly privateMsP50: number;
  readonly directMsP99: number;
  readonly privateMsP99: number;
}

const hidden: Part = {
  title: `requester and key linked in at most ${MOST_LINKED_PERCENT} %, nobody but the first hop hears of the requester`,
  sampleSize: `${LINKED_GETS} GETs of 10 000 requesters among 10 000 nodes, 20 % colluding, choices only; taint among 100 nodes in virtual time`,
  run: measureHidden,
};

const quick = simulated<PrivateTimes>({
  title: `p50 at most ${MOST_SHARE} × a direct GET's`,
  sampleSize: `${TIMED_GETS} GETs both ways among ${NODES} nodes`,
  scenario: 'private',
  full: { nodes: NODES, gets: TIMED_GETS },
  quick: { nodes: 1_000, gets: 200, askers: 30 },
  heapMegabytes: 12_000,
  judge: judgeTimes,
});

export const privateGoal: Goal = {
  area: 'dht',
  number: 6,
  title: 'private lookups hide who asks and stay quick',
  sampleSize: `${hidden.sampleSize}; ${quick.sampleSize}, simulated`,
  run: (tell) => runParts([hidden, quick], tell),
};

async function measureHidden(tell: Tell): Promise<Outcome> {
  tell('node dist/benches/dht-private/main.js');
  const { code, stdout, log } = await runCommand('bench-dht-private', process.execPath, [
    'dist/benches/dht-private/main.js',
  ]);
  const lines = jsonLines(stdout, 'dht-private') as (PrivateLinkingLine | PrivateTaintLine)[];
  if (code !== 0) return { passed: false, figure: `the benchmark did not give its figures; see ${log}` };
  return judgeHidden(lines);
}

export function judgeHidden(lines: readonly (PrivateLinkingLine | PrivateTaintLine)[]): Outcome {
  const linking = lines.find((line) => line.part === 'linking');
  const taint = lines.find((line) => line.part === 'latency');
  if (!linking || !taint) return { passed: false, figure: 'a part was not measured' };
  const { linked, linkedRequesters, linkedByAsked, onionsPerGet } = linking;
  const { tainted, strangers } = taint;
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  return {
    passed:
      linking.gets >= LINKED_GETS &&
      linked * 100 <= MOST_LINKED_PERCENT &&
      taint.gets > 0 &&
      tainted + strangers === 0,
    figure: `${percent(linked)} of GETs linked (${percent(linkedRequesters)} of requesters ever; ${percent(linkedByAsked)} by one who also matches what the nodes see that an exit asks), ${onionsPerGet.toFixed(2)} onions a GET; ${tainted} messages and ${strangers} nodes beyond the first hop in ${taint.gets} GETs`,
  };
}

export function judgeTimes(times: PrivateTimes): Outcome {
  const { directMsP50, privateMsP50, directMsP99, privateMsP99, privateFoundPercent } = times;
  return {
    passed: privateMsP50 <= MOST_SHARE * directMsP50 && privateFoundPercent >= LEAST_FOUND_PERCENT,
    figure: `first content p50 ${privateMsP50} ms (${(privateMsP50 / directMsP50).toFixed(2)} × the direct ${directMsP50} ms), p99 ${privateMsP99} ms (direct ${directMsP99} ms), ${privateFoundPercent} % found`,
  };
}
