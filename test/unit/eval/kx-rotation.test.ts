import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeDeaths, judgeRotations } from '../../../src/eval/goals/kx-rotation.js';

const test = suite('goal of rotation and repair');
const udp = { sent: 30_000, received: 30_000, doubled: 0, gaps: [] };
const tcp = { sent: 5, received: 5, exact: true };
const deaths = (slow: number) =>
  Array.from({ length: 100 }, (_, index) => ({ at: index, gapMs: index < slow ? 401 : 250 }));

test('a thousand rotations that nobody notices pass; one lost or doubled packet or byte does not', () => {
  assert.ok(judgeRotations({ rotations: 1_000, stream: { udp, tcp } }).passed);
  for (const bad of [
    { rotations: 999, stream: { udp, tcp } },
    { rotations: 1_000, stream: { udp: { ...udp, received: 29_999 }, tcp } },
    { rotations: 1_000, stream: { udp: { ...udp, doubled: 1 }, tcp } },
    { rotations: 1_000, stream: { udp, tcp: { ...tcp, exact: false } } },
    { rotations: 1_000, stream: { udp, tcp: null } },
  ]) {
    assert.not(judgeRotations(bad).passed, JSON.stringify(bad));
  }
});

test('five of a hundred deaths may be felt for longer, six not', () => {
  assert.ok(judgeDeaths({ deaths: deaths(5), stream: { udp, tcp: null } }).passed);
  assert.not(judgeDeaths({ deaths: deaths(6), stream: { udp, tcp: null } }).passed);
  assert.not(judgeDeaths({ deaths: deaths(0).slice(1), stream: { udp, tcp: null } }).passed);
});

test.run();
