/** Role: whether kinds of observations are told apart, what is seen in a capture, and the verdict. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeLookalike, judgePhases } from '../../../src/eval/goals/voip-lookalike.js';
import { areaUnderCurve, tellApart } from '../../../src/eval/lookalike/classify.js';
import { featuresOf } from '../../../src/eval/lookalike/features.js';
import type { Seen } from '../../../src/eval/lookalike/packets.js';
import type { Kind, Observation, Phase } from '../../../src/eval/lookalike/results.js';

const test = suite('voip 5');

/** The same numbers each time (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function observations(kind: Kind, count: number, shift: number, random: () => number): Observation[] {
  return Array.from({ length: count }, () => ({
    kind,
    peer: 'p0',
    features: { a: random(), b: random() + shift, c: random() },
  }));
}

test('the area under the curve', () => {
  assert.is(areaUnderCurve([2, 3], [0, 1]), 1);
  assert.is(areaUnderCurve([0, 1], [2, 3]), 0);
  assert.is(areaUnderCurve([1, 1], [1, 1]), 0.5);
  assert.is(areaUnderCurve([1, 3], [2]), 0.5);
});

test('what differs is told apart, and by which feature; what does not is guessed', () => {
  const random = chance(1);
  const [ones, others] = [observations('caller', 30, 0.8, random), observations('fake', 30, 0, random)];
  const different = tellApart(ones, others, random);
  assert.ok(different.auc > 0.85, `${different.auc}`);
  assert.is(different.best, 'b');
  const aucs = Array.from({ length: 4 }, () =>
    tellApart(observations('caller', 20, 0, random), observations('fake', 20, 0, random), random),
  ).map(({ auc }) => auc);
  const mean = aucs.reduce((sum, auc) => sum + auc, 0) / aucs.length;
  assert.ok(mean > 0.38 && mean < 0.62, `guessing comes to ${aucs}`);
});

test('features of a call: the rate that rises and falls, what goes on meanwhile, and how quiet it was before', () => {
  const seen: Seen = { atMs: [], isOut: [], other: [], port: [], size: [] };
  const [raisedMs, endedMs, fallenMs] = [1_000_000, 1_040_000, 1_070_000];
  for (let atMs = raisedMs - 700_000; atMs < fallenMs + 60_000; atMs += 10) {
    const inCall = atMs >= raisedMs && atMs < fallenMs;
    const earlier = atMs >= raisedMs - 200_000 && atMs < raisedMs - 190_000;
    if (!inCall && !earlier && atMs % 50 !== 0) continue;
    seen.atMs.push(atMs);
    seen.isOut.push(true);
    seen.other.push(atMs % 40 === 0 ? 3 : 2);
    seen.port.push(atMs % 1_000 === 0 ? 3_000 : 3_001);
    seen.size.push(384);
  }
  const trial = { kind: 'caller' as const, peer: 'p0', answeredMs: raisedMs, endedMs };
  const features = featuresOf(seen, trial, 3_001) ?? {};
  assert.is(features['raised for'], 70);
  assert.ok(Math.abs((features['talk out rate'] ?? 0) - 99) < 1, `${features['talk out rate']}`);
  assert.is(features['talk in rate'], 0);
  assert.is(features['talk dht rate'], 1);
  assert.is(features['talk out gap p50'], 10);
  assert.ok((features['talk out 50 Hz'] ?? 1) < 0.1);
  assert.is(features['talk out others'], 2);
  assert.is(features['kx sizes'], 1);
  assert.is(features['after out rate'], 19);
  assert.is(features['quiet before'], 182);
  assert.is(featuresOf(seen, { ...trial, endedMs: raisedMs - 100_000 }, 3_001), null);
});

test('phases are alike only with one size and one rate each way', () => {
  const phase = (name: Phase['name'], out: number, size = '384'): Phase => ({
    ...{ name, seconds: 4, outPerSecond: [out, out, out, out], inPerSecond: [50, 51, 50, 51] },
    sizes: { [size]: 400 },
  });
  const rest = [phase('silent', 100), phase('muted', 100), phase('held', 100)];
  assert.is(judgePhases([phase('talking', 100), ...rest]).passed, true);
  assert.is(judgePhases([phase('talking', 101), ...rest]).passed, true);
  assert.is(judgePhases([phase('talking', 102), ...rest]).passed, false);
  assert.is(judgePhases([phase('talking', 100, '200'), ...rest]).passed, false);
  assert.is(judgePhases(rest).passed, false);
});

test('the verdict needs enough of each kind', () => {
  const random = chance(2);
  const few = [...observations('caller', 20, 0, random), ...observations('fake', 20, 0, random)];
  assert.is(judgeLookalike({ phases: [], observations: few, failed: [] }, 21).passed, false);
});

test.run();
