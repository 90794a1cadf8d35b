import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeRelay } from '../../../src/eval/goals/kx-relay.js';
import type { LoadRound, RelayResults } from '../../../src/eval/goals/relay-results.js';

const test = suite('goal of the relay');

function rate(target: 'relay' | 'forwarder', processorNs: number, arrived = 20_000): LoadRound {
  return { measure: 'rate', target, sent: 20_000, arrived, wallNs: 1, processorNs };
}

function delay(target: 'relay' | 'forwarder', p50Ns: number, p99Ns: number): LoadRound {
  return { measure: 'delay', target, sent: 10, arrived: 10, p50Ns, p99Ns };
}

const good: RelayResults = {
  single: [rate('relay', 100e6), rate('forwarder', 76e6)],
  bursts: [rate('relay', 19e6), rate('forwarder', 5e6)],
  delay: [delay('relay', 40_000, 90_000), delay('forwarder', 31_000, 41_000)],
};

test('a relay within all bounds passes, and its figures are told', () => {
  const { passed, figure } = judgeRelay(good);
  assert.ok(passed, figure);
  assert.match(
    figure,
    /0\.76 × the forwarder .* 1053 thousand\/s .* 9\.0 µs added at p50, 49\.0 µs at p99; 0 lost/,
  );
});

test('any one shortfall fails, and so does what was not measured', () => {
  for (const bad of [
    { single: [rate('relay', 102e6), rate('forwarder', 76e6)] },
    { bursts: [rate('relay', 20.1e6)] },
    { bursts: [rate('relay', 19e6, 19_999)] },
    { delay: [delay('relay', 42_000, 90_000), delay('forwarder', 31_000, 41_000)] },
    { delay: [delay('relay', 40_000, 92_000), delay('forwarder', 31_000, 41_000)] },
    { single: [] },
    { bursts: [] },
    { delay: [] },
  ]) {
    assert.not(judgeRelay({ ...good, ...bad }).passed, JSON.stringify(bad));
  }
});

test.run();
