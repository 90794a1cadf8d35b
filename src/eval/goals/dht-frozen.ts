/**
 * Role: the goal that nodes which do not answer hold nobody up: `npm run goals -- dht 2`.
 *
 * Not here: the measurement (frozen-nodes.ts).
 */

import { fileURLToPath } from 'node:url';
import { quantile } from '../quantile.js';
import { runCommand } from './command.js';
import { prepareIdentities } from './dht-identities.js';
import { FROZEN_GETS, FROZEN_HOSTS, FROZEN_NODES_EACH } from './frozen-scale.js';
import type { Goal, Outcome, Tell } from './goal.js';
import type { FrozenResults } from './lookup-results.js';
import { REPLICATION, VALUE_BYTES } from './lookup-scale.js';

const FROZEN_PROGRAM = fileURLToPath(new URL('./frozen-nodes.js', import.meta.url));
const NODES = FROZEN_HOSTS * FROZEN_NODES_EACH;
const MOST_P50_MS = 50;
const MOST_P99_MS = 500;

export const frozenGoal: Goal = {
  area: 'dht',
  number: 2,
  title: `half of ${NODES} nodes stopped: every GET answered, p50 at most ${MOST_P50_MS} ms, p99 at most ${MOST_P99_MS} ms`,
  sampleSize: `${FROZEN_GETS} GETs of ${VALUE_BYTES} bytes (half signed, at ${REPLICATION} nodes each when put) from the living half, right after the stop; ${FROZEN_HOSTS} processes of ${FROZEN_NODES_EACH} nodes`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  await prepareIdentities(tell, NODES);
  const { code, stdout, log } = await runCommand('dht-2', process.execPath, [FROZEN_PROGRAM], {
    follow: true,
  });
  if (code !== 0) return { passed: false, figure: `the measurement broke off; see ${log}` };
  return judgeFrozen(JSON.parse(stdout) as FrozenResults);
}

export function judgeFrozen({ nodes, frozen, round }: FrozenResults): Outcome {
  const answered = round.milliseconds.filter((one) => one !== null);
  // One that was not answered took for ever.
  const all = round.milliseconds.map((one) => one ?? Number.POSITIVE_INFINITY);
  const [p50, p99] = [quantile(all, 0.5), quantile(all, 0.99)];
  const passed =
    frozen * 2 >= nodes &&
    all.length >= FROZEN_GETS &&
    answered.length === all.length &&
    p50 <= MOST_P50_MS &&
    p99 <= MOST_P99_MS;
  return {
    passed,
    figure: `${answered.length} of ${all.length} GETs answered, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, slowest ${quantile(answered, 1).toFixed(1)} ms`,
  };
}
