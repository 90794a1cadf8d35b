/** The verdict over a demo run, and its report. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseOptions } from '../../../src/eval/demo/options.js';
import { formatSummary } from '../../../src/eval/demo/report.js';
import { type Direction, judge, lossPercent, type Measurements } from '../../../src/eval/demo/summary.js';

const test = suite('demo summary');

const VOICE = {
  ...{ sent: 1000, received: 990, lost: 10, late: 1, concealed: 11, captureGaps: 0 },
  ...{ jitterMs: 0.5, bufferMs: 30, realtime: true },
};
const SCORE = {
  ...{ delayMs: 90, delayRangeMs: [80, 100] as const, delaysMs: [], peak: 0.9, secondPeak: 0.2 },
  ...{ waveformPeak: 0.5, gainDb: 0, pesqWb: 3.5 },
};

function direction(from: string, to: string, change: Partial<Direction> = {}): Direction {
  return {
    from,
    to,
    score: SCORE,
    controlPeak: 0.15,
    voice: VOICE,
    said: 'a.wav',
    heard: 'b.wav',
    ...change,
  };
}

function measured(change: Partial<Measurements> = {}): Measurements {
  return {
    ...{ peers: 8, ringingAfterMs: 200, answeredAfterMs: 300, roundTripMs: 2, lowestRoundTripMs: 1 },
    directions: [direction('alice', 'bob'), direction('bob', 'alice')],
    datagrams: { 3000: { 34: 5, 1400: 7 }, 3001: { 384: 20_000 } },
    seconds: 70,
    ...change,
  };
}

function faults(change: Partial<Measurements>): readonly string[] {
  const summary = judge(measured(change), '/out');
  assert.is(summary.passed, summary.faults.length === 0);
  return summary.faults;
}

test('speech in both directions over datagrams of one size passes', () => {
  assert.equal(faults({}), []);
});

test('speech that did not arrive in one direction is named', () => {
  const silent = { ...SCORE, peak: 0.1, pesqWb: null };
  const found = faults({
    directions: [direction('alice', 'bob'), direction('bob', 'alice', { score: silent })],
  });
  assert.is(found.length, 3, found.join('\n'));
  for (const fault of found) assert.match(fault, /alice (did not hear|could not understand) bob/);
});

test('a correlation that other speech reaches too is not unmistakable', () => {
  const found = faults({
    directions: [direction('alice', 'bob', { controlPeak: 0.7 }), direction('bob', 'alice')],
  });
  assert.is(found.length, 1);
  assert.match(found[0] ?? '', /too close to that of other speech/);
});

test('figures that are no numbers never pass', () => {
  const score = { ...SCORE, peak: Number.NaN, pesqWb: Number.NaN };
  assert.is(
    faults({ directions: [direction('alice', 'bob', { score }), direction('bob', 'alice')] }).length,
    3,
  );
});

test('a direction that was not measured does not pass', () => {
  assert.match(faults({ directions: [direction('alice', 'bob')] })[0] ?? '', /1 directions/);
});

test('KX datagrams of two sizes, of another size, or none at all do not pass', () => {
  for (const sizes of [{ 384: 9, 768: 1 }, { 512: 10 }, {}]) {
    assert.match(faults({ datagrams: { 3001: sizes } })[0] ?? '', /must all have 384 bytes/);
  }
  assert.is(faults({ datagrams: {} }).length, 1);
});

test('UDP beside DHT and KX is a leak', () => {
  assert.match(faults({ datagrams: { 3001: { 384: 1 }, 5060: { 148: 50 } } })[0] ?? '', /port 5060/);
});

test('loss is the share of what was to come; nothing received is all lost', () => {
  assert.is(lossPercent(VOICE), 1);
  assert.is(lossPercent({ ...VOICE, received: 0, lost: 0 }), 100);
});

test('the report tells every figure, and what is wrong', () => {
  const text = formatSummary(judge(measured({ datagrams: { 3001: { 384: 9, 768: 1 } } }), '/out'));
  for (const wanted of [/rings after 200 ms/, /1\.00 %/, /90 ms \(80 to 100\)/, /PESQ-WB 3\.50/, /0\.900/]) {
    assert.match(text, wanted);
  }
  assert.match(text, /FAILED\n {2}KX datagrams must all have 384 bytes; sizes seen: 384, 768/);
});

test('options: numbers of peers that make no sense are refused', () => {
  assert.equal(parseOptions([]), { peers: 8, json: false, help: false });
  assert.is(parseOptions(['--peers', '12', '--json']).peers, 12);
  for (const args of [['--peers', '2'], ['--peers', 'many'], ['--peers', '8.5'], ['--nonsense'], ['8']]) {
    assert.throws(
      () => parseOptions(args),
      (error: { code: string }) => error.code === 'usage',
    );
  }
});

test.run();
