import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeCallPath } from '../../../src/eval/goals/kx.js';

const test = suite('goals of the KX');
const good = {
  udp: { sent: 3_000, received: 3_000, roundTripMs: { p50: 0.9, p99: 4 } },
  tcp: { echoed: true, milliseconds: 2_000 },
};

test('a path within all bounds passes, and its figures are told', () => {
  const { passed, figure } = judgeCallPath(good);
  assert.ok(passed);
  assert.is(figure, 'RTT p50 0.90 ms, p99 4.00 ms, 0 lost; TCP 200 Mbit/s each way at once');
});

test('any one shortfall fails', () => {
  const { udp, tcp } = good;
  for (const bad of [
    { udp: { ...udp, received: 2_999 }, tcp },
    { udp: { ...udp, roundTripMs: { p50: 1.1, p99: 4 } }, tcp },
    { udp: { ...udp, roundTripMs: { p50: 0.9, p99: 5.1 } }, tcp },
    { udp, tcp: { echoed: false, milliseconds: 1 } },
    { udp, tcp: { echoed: true, milliseconds: 4_001 } },
  ]) {
    assert.not(judgeCallPath(bad).passed, JSON.stringify(bad));
  }
});

test.run();
