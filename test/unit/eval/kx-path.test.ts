import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeCallPath } from '../../../src/eval/goals/kx-path.js';

const test = suite('goals of the KX');
const good = {
  udp: { sent: 3_000, received: 3_000, roundTripMs: { p50: 0.9, p99: 4 } },
  download: { exact: true, milliseconds: 8_000 },
  echo: { echoed: true, milliseconds: 8_000 },
};

test('a path within all bounds passes, and its figures are told', () => {
  const { passed, figure } = judgeCallPath(good);
  assert.ok(passed);
  assert.is(figure, 'RTT p50 0.90 ms, p99 4.00 ms, 0 lost; TCP 100 Mbit/s one way, 50 each way at once');
});

test('any one shortfall fails', () => {
  const { udp, download, echo } = good;
  for (const bad of [
    { udp: { ...udp, received: 2_999 }, download, echo },
    { udp: { ...udp, roundTripMs: { p50: 1.1, p99: 4 } }, download, echo },
    { udp: { ...udp, roundTripMs: { p50: 0.9, p99: 5.1 } }, download, echo },
    { udp, download, echo: { echoed: false, milliseconds: 1 } },
    { udp, download: { exact: false, milliseconds: 1 }, echo },
    { udp, download: { exact: true, milliseconds: 8_001 }, echo },
  ]) {
    assert.not(judgeCallPath(bad).passed, JSON.stringify(bad));
  }
});

test.run();
