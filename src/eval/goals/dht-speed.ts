/**
 * Role: the goal that GETs are as quick as hyperdht's, many at once quicker, and nodes small: `npm run goals -- dht 1`.
 *
 * Not here: the measurement (lookup-rounds.ts).
 */

import { fileURLToPath } from 'node:url';
import type { NodeKind } from '../dht-network/node-network.js';
import { median, quantile } from '../quantile.js';
import { runCommand } from './command.js';
import { prepareIdentities } from './dht-identities.js';
import type { Goal, Outcome, Tell } from './goal.js';
import type { LookupResults } from './lookup-results.js';
import {
  AT_ONCE,
  GETS_AT_ONCE,
  GETS_IN_TURN,
  HOSTS,
  MEMORY_NODES,
  NODES_EACH,
  REPLICATION,
  ROUNDS,
  VALUE_BYTES,
  VALUES,
} from './lookup-scale.js';

const ROUNDS_PROGRAM = fileURLToPath(new URL('./lookup-rounds.js', import.meta.url));
const MOST_P50_SHARE = 1;
const MOST_P99_SHARE = 0.5;
const LEAST_RATE_SHARE = 1.5;
const MOST_NODE_BYTES = 120_000;

export const speedGoal: Goal = {
  area: 'dht',
  number: 1,
  title: `GET of ${VALUE_BYTES} bytes: p50 at most hyperdht's, p99 at most ${MOST_P99_SHARE} × its p99, at least ${LEAST_RATE_SHARE} × as many a second at ${AT_ONCE} at once; at most ${MOST_NODE_BYTES / 1000} KB a node`,
  sampleSize: `${HOSTS * NODES_EACH} nodes each in ${HOSTS} processes; ${VALUES} values at ${REPLICATION} nodes, half of ours signed; ${ROUNDS} rounds in turn of ${GETS_IN_TURN} GETs one at a time and ${GETS_AT_ONCE} at ${AT_ONCE} at once, first value that holds; without private lookups; resident memory of ${MEMORY_NODES} nodes in one process, which share the contacts they read, after a compacting collection, beyond what the process had before`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  await prepareIdentities(tell, Math.max(HOSTS * NODES_EACH, MEMORY_NODES));
  const { code, stdout, log } = await runCommand('dht-1', process.execPath, [ROUNDS_PROGRAM], {
    follow: true,
  });
  if (code !== 0) return { passed: false, figure: `the measurement broke off; see ${log}` };
  return judgeSpeed(JSON.parse(stdout) as LookupResults);
}

export function judgeSpeed(results: LookupResults): Outcome {
  const [ours, theirs] = [figuresOf(results, 'ours'), figuresOf(results, 'hyperdht')];
  const nodeBytes = results.memory.bytes / results.memory.nodes;
  const passed =
    ours.missing === 0 &&
    ours.p50 <= theirs.p50 * MOST_P50_SHARE &&
    ours.p99 <= theirs.p99 * MOST_P99_SHARE &&
    ours.perSecond >= theirs.perSecond * LEAST_RATE_SHARE &&
    nodeBytes <= MOST_NODE_BYTES;
  const share = (part: 'p50' | 'p99' | 'perSecond') => `${(ours[part] / theirs[part]).toFixed(2)} ×`;
  return {
    passed,
    figure: [
      `p50 ${ours.p50.toFixed(2)} ms (${share('p50')} hyperdht's ${theirs.p50.toFixed(2)})`,
      `p99 ${ours.p99.toFixed(2)} ms (${share('p99')} ${theirs.p99.toFixed(2)})`,
      `${ours.perSecond.toFixed(0)} GETs/s at ${AT_ONCE} at once (${share('perSecond')} ${theirs.perSecond.toFixed(0)})`,
      `${(nodeBytes / 1000).toFixed(0)} KB a node`,
      `${ours.missing} not found (hyperdht ${theirs.missing})`,
    ].join('; '),
  };
}

interface Figures {
  readonly p50: number;
  readonly p99: number;
  /** Median over the rounds. */
  readonly perSecond: number;
  readonly missing: number;
}

function figuresOf({ rounds }: LookupResults, kind: NodeKind): Figures {
  const of = (way: 'in turn' | 'at once') =>
    rounds.filter((one) => one.kind === kind && one.way === way).map(({ round }) => round);
  const all = [...of('in turn'), ...of('at once')].flatMap(({ milliseconds }) => [...milliseconds]);
  const latencies = of('in turn').flatMap(({ milliseconds }) => milliseconds.filter((one) => one !== null));
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    perSecond: median(of('at once').map(({ milliseconds, wallMs }) => (milliseconds.length / wallMs) * 1000)),
    missing: all.filter((one) => one === null).length,
  };
}
