import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeHidden, judgeTimes } from '../../../src/eval/goals/dht-private.js';

const test = suite('goal of private lookups');
const linking = {
  ...{ part: 'linking' as const, gets: 100_000 },
  ...{ linked: 0.0432, linkedRequesters: 0.2, linkedByAsked: 0.198, onionsPerGet: 1.1 },
};
const taint = { part: 'latency' as const, gets: 100, tainted: 0, strangers: 0 };
const times = {
  ...{ gets: 1_000, privateFoundPercent: 100, directMsP50: 200, privateMsP50: 440 },
  ...{ directMsP99: 500, privateMsP99: 1_500 },
};

test('what is hidden: every part counts, and a missing one too', () => {
  assert.ok(judgeHidden([linking, taint]).passed);
  assert.not(judgeHidden([linking]).passed);
  assert.not(judgeHidden([taint]).passed);
  assert.not(judgeHidden([{ ...linking, linked: 0.0441 }, taint]).passed);
  assert.not(judgeHidden([{ ...linking, gets: 99_999 }, taint]).passed);
  assert.not(judgeHidden([linking, { ...taint, tainted: 1 }]).passed);
  assert.not(judgeHidden([linking, { ...taint, strangers: 1 }]).passed);
  assert.not(judgeHidden([linking, { ...taint, gets: 0 }]).passed);
});

test('how long it takes: twice and a fifth is the most, and it must find what is there', () => {
  assert.ok(judgeTimes(times).passed);
  assert.not(judgeTimes({ ...times, privateMsP50: 441 }).passed);
  assert.not(judgeTimes({ ...times, privateFoundPercent: 98.9 }).passed);
  assert.match(judgeTimes(times).figure, /2\.20 × the direct/);
});

test.run();
