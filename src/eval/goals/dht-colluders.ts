/**
 * Role: the goal that values are found among colluders and sybils: `npm run goals -- dht 3`.
 *
 * Tables are settled with colluders twice as likely as their share where a bucket has a choice.
 */

import { simulated } from './dht-simulation.js';
import { type Goal, type Outcome, runParts } from './goal.js';

const NODES = 10_000;
const GETS = 10_000;
const VALUES = 2_000;
const ODDS = 2;
const MOST_REQUESTS = 120;
const LEAST_HONEST_REPLICAS = 15;
const HALF = { colludersPercent: 50, leastRightPercent: 99.9, mostRequests: MOST_REQUESTS };
/** How many requests that may take is not asked. */
const MOST = { colludersPercent: 80, leastRightPercent: 99, mostRequests: Number.POSITIVE_INFINITY };
const LEAST_RIGHT_SYBILS_PERCENT = 99.9;
const HEAP_MEGABYTES = 12_000;

export interface GetFigures {
  readonly gets: number;
  readonly rightPercent: number;
  readonly requestsMean: number;
  readonly requestsP99: number;
}

export interface ColluderFigures extends GetFigures {
  readonly colludersInTablesPercent: number;
  readonly honestReplicasMean: number;
}

export interface SybilFigures extends GetFigures {
  readonly honestReplicasMin: number;
}

const requestsText = ({ requestsMean, requestsP99 }: GetFigures) =>
  `RPCs mean ${requestsMean}, p99 ${requestsP99}`;

export function judgeColluders(
  { colludersPercent, leastRightPercent, mostRequests }: typeof HALF,
  figures: ColluderFigures,
): Outcome {
  const { rightPercent, requestsMean, colludersInTablesPercent, honestReplicasMean } = figures;
  return {
    passed: rightPercent >= leastRightPercent && requestsMean <= mostRequests,
    figure: `${colludersPercent} % colluders (${colludersInTablesPercent} % of the tables): ${rightPercent} % of ${figures.gets} GETs right, ${requestsText(figures)}, honest replicas mean ${honestReplicasMean}`,
  };
}

export function judgeSybils(figures: SybilFigures): Outcome {
  const { rightPercent, honestReplicasMin } = figures;
  return {
    passed: rightPercent >= LEAST_RIGHT_SYBILS_PERCENT && honestReplicasMin >= LEAST_HONEST_REPLICAS,
    figure: `sybils: at least ${honestReplicasMin} honest replicas, ${rightPercent} % of ${figures.gets} GETs right, ${requestsText(figures)}`,
  };
}

const among = (bound: typeof HALF) =>
  simulated<ColluderFigures>({
    title: `${bound.colludersPercent} % colluders: at least ${bound.leastRightPercent} % of GETs right${bound.mostRequests < Number.POSITIVE_INFINITY ? `, at most ${bound.mostRequests} RPCs` : ''}`,
    sampleSize: `${GETS} GETs of ${VALUES} values`,
    scenario: 'colluders',
    full: { nodes: NODES, colludersPercent: bound.colludersPercent, odds: ODDS, values: VALUES, gets: GETS },
    quick: { nodes: 1_000, values: 300, gets: 1_000 },
    heapMegabytes: HEAP_MEGABYTES,
    judge: (figures) => judgeColluders(bound, figures),
  });

const sybils = simulated<SybilFigures>({
  title: `sybils: at least ${LEAST_HONEST_REPLICAS} of 20 replicas honest, ${LEAST_RIGHT_SYBILS_PERCENT} % of GETs right`,
  sampleSize: `${GETS} GETs of 10 attacked keys`,
  scenario: 'sybils',
  full: { nodes: NODES, keys: 10, sybils: 100, networks: 5, gets: GETS },
  quick: { nodes: 1_000, keys: 3, gets: 300 },
  heapMegabytes: HEAP_MEGABYTES,
  judge: judgeSybils,
});

export const colludersGoal: Goal = {
  area: 'dht',
  number: 3,
  title: `${NODES} nodes: among ${HALF.colludersPercent} % colluders with poisoned tables ${HALF.leastRightPercent} % of GETs right at ${MOST_REQUESTS} RPCs or fewer, among ${MOST.colludersPercent} % ${MOST.leastRightPercent} %; with 100 ids ground next to a key in 5 /24 at least ${LEAST_HONEST_REPLICAS} of 20 replicas honest and ${LEAST_RIGHT_SYBILS_PERCENT} % of GETs right`,
  sampleSize: `${GETS} GETs each of self-certifying values with replication 20, simulated; colluders at odds of ${ODDS} in tables`,
  run: (tell) => runParts([among(HALF), among(MOST), sybils], tell),
};
