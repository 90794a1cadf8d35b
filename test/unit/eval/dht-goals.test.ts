import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeReach, judgeStaying, judgeUpkeep } from '../../../src/eval/goals/dht-churn.js';
import { judgeColluders, judgeSybils } from '../../../src/eval/goals/dht-colluders.js';
import { judgeJunk } from '../../../src/eval/goals/dht-junk.js';
import { judgeTrace } from '../../../src/eval/goals/dht-trace.js';
import type { Outcome } from '../../../src/eval/goals/goal.js';

const test = suite('goals of the DHT');

/** The good figures pass; so changed, each alone, they do not. */
function bounds<F extends object>(judge: (figures: F) => Outcome, good: F, bad: readonly Partial<F>[]): void {
  assert.ok(judge(good).passed, judge(good).figure);
  for (const change of bad) assert.not(judge({ ...good, ...change }).passed, JSON.stringify(change));
}

const gets = { gets: 10_000, requestsMean: 120, requestsP99: 300 };

test('values among colluders: right often enough, with few enough requests', () => {
  const good = { ...gets, rightPercent: 99.9, colludersInTablesPercent: 66, honestReplicasMean: 10 };
  const half = { colludersPercent: 50, leastRightPercent: 99.9, mostRequests: 120 };
  bounds((figures) => judgeColluders(half, figures), good, [
    { rightPercent: 99.89 },
    { requestsMean: 120.1 },
  ]);
});

test('values among sybils: replicas at honest peers, and right', () => {
  const good = { ...gets, rightPercent: 99.9, honestReplicasMin: 15 };
  bounds(judgeSybils, good, [{ rightPercent: 99.89 }, { honestReplicasMin: 14 }]);
});

test('values under churn: there, gone in time, at little traffic', () => {
  const good = {
    ...{ nodes: 1_000, hours: 12, departures: 9, gets: 14_000, foundPercent: 99.99 },
    ...{ lateReplicas: 0, lateValues: 0, longestLateMs: 0, upkeepKilobytesPerSecondSent: 1.5 },
  };
  const more = { upkeepKilobytesPerSecondSent: 1.51 };
  bounds(judgeStaying, good, [{ foundPercent: 99.98 }, { lateReplicas: 1 }, more]);
  bounds(judgeUpkeep, good, [more]);
});

test('GETs in a large network: soon', () => {
  const good = { nodes: 100_000, gets: 2_000, rightPercent: 100, firstMsP50: 350, firstMsP99: 1_200 };
  bounds(judgeReach, good, [{ firstMsP50: 351 }, { firstMsP99: 1_201 }]);
});

test('a flood of junk: nothing lost, memory bounded', () => {
  const good = {
    ...{ junkPuts: 1_000_000, junkTaken: 5, junkRefused: 6, records: 300, recordsLost: 0 },
    ...{ storeMegabytesMost: 48, 'machine.megabytesPerNode': 64 },
  };
  bounds(judgeJunk, good, [{ recordsLost: 1 }, { 'machine.megabytesPerNode': 64.1 }]);
});

test('TRACE: few malicious targets', () => {
  const good = {
    ...{ traces: 100_000, maliciousTargetsPercent: 22, maliciousHopsPercent: 30 },
    ...{ closestPercent: 99, unansweredPercent: 0 },
  };
  bounds(judgeTrace, good, [{ maliciousTargetsPercent: 22.01 }]);
});

test.run();
