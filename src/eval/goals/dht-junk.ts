/** Role: the goal that a flood of junk loses no record and fills no memory: `npm run goals -- dht 5`. */

import { simulated } from './dht-simulation.js';
import { type Goal, type Outcome, runParts } from './goal.js';

const PUTS = 1_000_000;
const MALICIOUS_PERCENT = 20;
const MOST_MEGABYTES = 64;

export interface JunkFigures {
  readonly junkPuts: number;
  readonly junkTaken: number;
  readonly junkRefused: number;
  readonly records: number;
  readonly recordsLost: number;
  readonly storeMegabytesMost: number;
  readonly 'machine.megabytesPerNode': number;
}

export function judgeJunk(figures: JunkFigures): Outcome {
  const { junkPuts, junkTaken, junkRefused, records, recordsLost, storeMegabytesMost } = figures;
  const memory = figures['machine.megabytesPerNode'];
  return {
    passed: recordsLost === 0 && memory <= MOST_MEGABYTES,
    figure: `${junkPuts} junk PUTs (${junkTaken} stores taken, ${junkRefused} refused): ${recordsLost} of ${records} records lost; ${memory} MB a node, fullest store ${storeMegabytesMost} MiB`,
  };
}

const junk = simulated<JunkFigures>({
  title: 'a flood of junk',
  sampleSize: `${PUTS} junk PUTs`,
  scenario: 'junk',
  full: { nodes: 200, maliciousPercent: MALICIOUS_PERCENT, puts: PUTS, records: 300 },
  quick: { nodes: 50, puts: 20_000, records: 60 },
  heapMegabytes: 14_000,
  judge: judgeJunk,
});

export const junkGoal: Goal = {
  area: 'dht',
  number: 5,
  title: `${PUTS} junk PUTs and ${MALICIOUS_PERCENT} % malicious nodes: no self-certifying record lost, at most ${MOST_MEGABYTES} MB a node`,
  sampleSize: `${PUTS} junk PUTs with 6 replicas each among 200 nodes, 300 records put before, during and after; simulated`,
  run: (tell) => runParts([junk], tell),
};
