/** Role: the goal that values stay while peers come and go, and are soon found in a large network: `npm run goals -- dht 4`. */

import { simulated } from './dht-simulation.js';
import { type Goal, type Outcome, runParts } from './goal.js';

const LEAST_FOUND_PERCENT = 99.99;
const MOST_UPKEEP = 1.5;
const MOST_P50_MS = 350;
const MOST_P99_MS = 1_200;
const MEDIAN_SESSION_MINUTES = 60;

export interface ChurnFigures {
  readonly nodes: number;
  readonly hours: number;
  readonly departures: number;
  readonly gets: number;
  readonly foundPercent: number;
  readonly lateReplicas: number;
  readonly lateValues: number;
  readonly longestLateMs: number;
  readonly upkeepKilobytesPerSecondSent: number;
}

export interface ReachFigures {
  readonly nodes: number;
  readonly gets: number;
  readonly rightPercent: number;
  readonly firstMsP50: number;
  readonly firstMsP99: number;
}

const upkeepText = ({ upkeepKilobytesPerSecondSent }: ChurnFigures) =>
  `upkeep ${upkeepKilobytesPerSecondSent} kB/s in each direction`;

export function judgeStaying(figures: ChurnFigures): Outcome {
  const { nodes, hours, departures, gets, foundPercent, lateValues, longestLateMs } = figures;
  return {
    passed:
      foundPercent >= LEAST_FOUND_PERCENT &&
      figures.lateReplicas === 0 &&
      figures.upkeepKilobytesPerSecondSent <= MOST_UPKEEP,
    figure: `${nodes} nodes for ${hours} h, ${departures} departures: ${foundPercent} % of ${gets} GETs found, ${lateValues} values held 1 s after their TTL (longest ${longestLateMs} ms), ${upkeepText(figures)}`,
  };
}

export function judgeUpkeep(figures: ChurnFigures): Outcome {
  const { nodes, hours, foundPercent } = figures;
  return {
    passed: figures.upkeepKilobytesPerSecondSent <= MOST_UPKEEP,
    figure: `${nodes} nodes for ${hours} h: ${upkeepText(figures)} (${foundPercent} % found)`,
  };
}

export function judgeReach({ nodes, gets, rightPercent, firstMsP50, firstMsP99 }: ReachFigures): Outcome {
  return {
    passed: firstMsP50 <= MOST_P50_MS && firstMsP99 <= MOST_P99_MS,
    figure: `${nodes} nodes: GET p50 ${firstMsP50} ms, p99 ${firstMsP99} ms (${rightPercent} % of ${gets} found)`,
  };
}

const staying = simulated<ChurnFigures>({
  title: 'values stay for 12 h',
  sampleSize: '1 000 nodes, 1 000 values, 12 h',
  scenario: 'churn',
  full: {
    nodes: 1_000,
    minutes: 720,
    medianSessionMinutes: MEDIAN_SESSION_MINUTES,
    values: 1_000,
    getsPerMinute: 20,
  },
  quick: { nodes: 200, minutes: 30, values: 100 },
  heapMegabytes: 8_000,
  judge: judgeStaying,
});

const upkeep = simulated<ChurnFigures>({
  title: 'upkeep in a larger network',
  sampleSize: '10 000 nodes, 1 h',
  scenario: 'churn',
  full: {
    nodes: 10_000,
    minutes: 60,
    medianSessionMinutes: MEDIAN_SESSION_MINUTES,
    values: 10_000,
    getsPerMinute: 20,
    settled: 1,
  },
  quick: { nodes: 1_000, minutes: 5, values: 300 },
  heapMegabytes: 14_000,
  judge: judgeUpkeep,
});

const reach = simulated<ReachFigures>({
  title: 'GETs in a large network',
  sampleSize: '100 000 nodes, 2 000 GETs',
  scenario: 'reach',
  full: { nodes: 100_000, gets: 2_000, medianRoundTripMs: 80, lossPercent: 5 },
  quick: { nodes: 5_000, values: 100, gets: 200, askers: 20 },
  heapMegabytes: 14_000,
  judge: judgeReach,
});

export const churnGoal: Goal = {
  area: 'dht',
  number: 4,
  title: `1 000 nodes with sessions of ${MEDIAN_SESSION_MINUTES} min (median): at least ${LEAST_FOUND_PERCENT} % of values there for 12 h, none 1 s after its TTL, upkeep at most ${MOST_UPKEEP} kB/s, the same upkeep with 10 000; 100 000 nodes without churn, median RTT 80 ms, 5 % loss: GET p50 at most ${MOST_P50_MS} ms, p99 at most ${MOST_P99_MS} ms`,
  sampleSize:
    '1 000 nodes for 12 h, 14 000 GETs; 10 000 nodes for 1 h; 2 000 GETs among 100 000 settled nodes; simulated',
  run: (tell) => runParts([staying, upkeep, reach], tell),
};
