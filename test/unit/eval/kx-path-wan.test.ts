/** What is made of a call path's echoes beside those of a plain chain. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeWanPath } from '../../../src/eval/goals/kx-path-wan.js';
import type { RoundTrips, WanPathResults } from '../../../src/eval/goals/wan-path-results.js';

const test = suite('call path over emulated links');

/** Echoes at `ms`, two in a hundred at `p99`, so many of them lost; in two rounds. */
function echoes(count: number, ms: number, p99: number, lost: number): RoundTrips[] {
  const all = Array.from({ length: count }, (_, index) => {
    if (index < lost) return null;
    return index % 100 < 2 ? p99 : ms;
  });
  return [all.slice(0, count / 2), all.slice(count / 2)];
}

const emulator = {
  offered: 120_000,
  delivered: 119_999,
  lost: 1,
  queueFull: 0,
  noRoom: 0,
  unwritten: 0,
  noHost: 3,
  malformed: 0,
  lateUs: { p50: 30, p99: 200, max: 4_000 },
};

function results(change: Partial<WanPathResults> = {}): WanPathResults {
  return {
    link: { delayMs: 20, jitterMs: 2, lossPercent: 0 },
    callMs: echoes(3_000, 242, 255, 0),
    chainMs: echoes(3_000, 241, 250, 0),
    emulator,
    realtime: true,
    tunnels: { rotated: 0, repaired: 1 },
    ...change,
  };
}

function lossy(call: number, chain: number): WanPathResults {
  return results({
    link: { delayMs: 20, jitterMs: 2, lossPercent: 1 },
    callMs: echoes(3_000, 242, 255, call),
    chainMs: echoes(3_000, 241, 250, chain),
  });
}

test('a path nearly as quick as the chain passes, and both are told', () => {
  const { passed, figure } = judgeWanPath(results());
  assert.ok(passed);
  assert.is(
    figure,
    "20 ± 2 ms a link: RTT p50 242.0 ms (1.004 × the chain's), p99 255.0 ms (1.020 ×), 0.0 % lost (chain 0.0 %), " +
      '1 repaired, 0.12 million packets on all links, emulator late 30 µs p50, 200 µs p99, 4000 µs at most',
  );
});

test('either quantile fails it beyond its bound, and so does what was not measured', () => {
  assert.not(judgeWanPath(results({ callMs: echoes(3_000, 246, 255, 0) })).passed);
  assert.not(judgeWanPath(results({ callMs: echoes(3_000, 242, 263, 0) })).passed);
  assert.not(judgeWanPath(results({ callMs: [] })).passed);
  assert.not(judgeWanPath(results({ chainMs: [] })).passed);
});

test('quantiles are over all rounds: one bad round is not left out', () => {
  const [first = [], second = []] = echoes(3_000, 242, 255, 0);
  const bad = first.map(() => 300);
  assert.not(judgeWanPath(results({ callMs: [second, second, second, bad] })).passed);
});

test('without emulated loss nothing may be lost', () => {
  assert.not(judgeWanPath(results({ callMs: echoes(3_000, 242, 255, 1) })).passed);
});

test('with emulated loss as much as the chain, and what chance explains, may be lost', () => {
  assert.ok(judgeWanPath(lossy(340, 340)).passed);
  assert.ok(judgeWanPath(lossy(410, 340)).passed);
  assert.not(judgeWanPath(lossy(420, 340)).passed);
  assert.ok(judgeWanPath(lossy(280, 340)).passed);
});

test('a call that crosses fewer links than the chain shows nothing', () => {
  assert.match(judgeWanPath(lossy(200, 340)).figure, /200 of 3000 lost is too few for twelve links/);
  assert.not(judgeWanPath(lossy(200, 340)).passed);
  const short = results({ callMs: echoes(3_000, 202, 215, 0) });
  assert.match(judgeWanPath(short).figure, /not of twelve links/);
  assert.not(judgeWanPath(short).passed);
});

test('on a machine that is too busy nothing is shown, however good the ratio', () => {
  const busy = { callMs: echoes(3_000, 242, 280, 0), chainMs: echoes(3_000, 241, 280, 0) };
  assert.match(judgeWanPath(results(busy)).figure, /the machine was too busy/);
  assert.not(judgeWanPath(results(busy)).passed);
});

test('an emulator that did not do what it was told fails whatever the call path did', () => {
  assert.match(judgeWanPath(lossy(340, 420)).figure, /the chain lost 420 of 3000, not about 11.4 %/);
  assert.not(judgeWanPath(lossy(340, 420)).passed);
  const quick = { callMs: echoes(3_000, 121, 125, 0), chainMs: echoes(3_000, 120, 125, 0) };
  assert.not(judgeWanPath(results(quick)).passed);
  const slow = { callMs: echoes(3_000, 262, 270, 0), chainMs: echoes(3_000, 260, 270, 0) };
  assert.not(judgeWanPath(results(slow)).passed);
  assert.not(judgeWanPath(results({ emulator: { ...emulator, noRoom: 1 } })).passed);
  const late = { ...emulator, lateUs: { ...emulator.lateUs, p99: 2_001 } };
  assert.not(judgeWanPath(results({ emulator: late })).passed);
});

test.run();
