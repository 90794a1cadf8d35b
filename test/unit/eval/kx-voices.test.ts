import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeVoices } from '../../../src/eval/goals/kx-voices.js';

const test = suite('goal of many calls');
const quiet = { calls: 500, sent: 9, heard: 9, p50Ns: 3e4, p99Ns: 0.9e6, residentKb: 8_000 };
const flooded = { ...quiet, heard: 8, p99Ns: 20e6, residentKb: 70_000 };
const good = { idleKb: 7_000, quiet: [quiet, quiet, quiet], flooded: [flooded, flooded, flooded] };

test('a relay within all bounds passes, and its figures are told', () => {
  const { passed, figure } = judgeVoices(good);
  assert.ok(passed);
  assert.is(figure, 'p99 0.90 ms, 0 lost; under the flood p99 20.00 ms, 3 lost, 62 MiB more memory');
});

test('any one shortfall fails, and so does what was not measured', () => {
  for (const bad of [
    { quiet: [{ ...quiet, heard: 8 }, quiet, quiet] },
    { quiet: [{ ...quiet, calls: 499 }, quiet, quiet] },
    { quiet: [{ ...quiet, p99Ns: 1.1e6 }] },
    { quiet: [] },
    { flooded: [{ ...flooded, p99Ns: 21e6 }] },
    { flooded: [flooded, { ...flooded, residentKb: 73_000 }] },
    { flooded: [] },
  ]) {
    assert.not(judgeVoices({ ...good, ...bad }).passed, JSON.stringify(bad));
  }
});

test.run();
