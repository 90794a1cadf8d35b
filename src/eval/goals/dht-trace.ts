/** Role: the goal that malicious peers are hardly more often the target of a TRACE than their share: `npm run goals -- dht 7`. */

import { simulated } from './dht-simulation.js';
import { type Goal, type Outcome, runParts } from './goal.js';

const TRACES = 100_000;
const MALICIOUS_PERCENT = 20;
const MOST_TARGETS_PERCENT = 22;
const ODDS = 2;

export interface TraceFigures {
  readonly traces: number;
  readonly maliciousTargetsPercent: number;
  readonly maliciousHopsPercent: number;
  readonly closestPercent: number;
  readonly unansweredPercent: number;
}

export function judgeTrace(figures: TraceFigures): Outcome {
  const { traces, maliciousTargetsPercent, maliciousHopsPercent, closestPercent, unansweredPercent } =
    figures;
  return {
    passed: maliciousTargetsPercent <= MOST_TARGETS_PERCENT,
    figure: `${maliciousTargetsPercent} % malicious targets of ${traces} TRACEs (hops ${maliciousHopsPercent} %; the closest peer in ${closestPercent} %; ${unansweredPercent} % unanswered)`,
  };
}

const lies = simulated<TraceFigures>({
  title: 'TRACE among liars',
  sampleSize: `${TRACES} TRACEs`,
  scenario: 'trace',
  full: { nodes: 5_000, maliciousPercent: MALICIOUS_PERCENT, odds: ODDS, traces: TRACES },
  quick: { nodes: 1_000, traces: 2_000, askers: 50 },
  heapMegabytes: 12_000,
  judge: judgeTrace,
});

export const traceGoal: Goal = {
  area: 'dht',
  number: 7,
  title: `TRACE among ${MALICIOUS_PERCENT} % malicious nodes: at most ${MOST_TARGETS_PERCENT} % malicious targets`,
  sampleSize: `${TRACES} random keys among 5 000 nodes, malicious ones at odds of ${ODDS} in tables; simulated`,
  run: (tell) => runParts([lies], tell),
};
