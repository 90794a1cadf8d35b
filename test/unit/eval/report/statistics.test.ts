/** Observations in a few numbers. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { difference, statisticsOf } from '../../../../src/eval/report/statistics.js';

const test = suite('statistics of observations');

function close(found: number, expected: number, within = 1e-3) {
  assert.ok(Math.abs(found - expected) <= within, `${found}, not ${expected}`);
}

test('the interval of the mean is that of Student', () => {
  const found = statisticsOf([[4], [6], [8], [10], [12]]);
  assert.equal(
    [found.count, found.networks, found.mean, found.median, found.p95, found.min, found.max],
    [5, 5, 8, 8, 12, 4, 12],
  );
  // t of 4 degrees of freedom, times the standard deviation by the root of 5.
  close(found.halfWidth, 2.776 * Math.sqrt(10 / 5));
});

test('the interval has the true mean in 95 of 100 samples, also where those of a network are alike', () => {
  let state = 7;
  const uniform = () => {
    state = (state * 48_271) % 0x7fffffff;
    return state / 0x7fffffff;
  };
  // Nearly normal, mean 0: twelve uniform ones.
  const normal = () => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b) - 6;
  const network = () => {
    const own = 3 * normal();
    return Array.from({ length: 5 }, () => own + normal());
  };
  for (const networks of [3, 8, 40, 150]) {
    let within = 0;
    for (let sample = 0; sample < 2_000; sample++) {
      const { mean, halfWidth } = statisticsOf(Array.from({ length: networks }, network));
      if (Math.abs(mean) <= halfWidth) within += 1;
    }
    close(within / 2_000, 0.95, 0.02);
  }
});

test('one network has no interval, and none has nothing', () => {
  const one = statisticsOf([[5, 7, 9]]);
  assert.equal([one.count, one.networks, one.mean], [3, 1, 7]);
  assert.ok(Number.isNaN(one.halfWidth));
  const none = statisticsOf([]);
  assert.is(none.count, 0);
  for (const value of [none.mean, none.median, none.min, none.max]) assert.ok(Number.isNaN(value));
});

test('a difference has the interval of Welch', () => {
  const { mean, halfWidth } = difference([[1], [2], [3]], [[11], [12], [13], [12, 16]]);
  close(mean, 10.5);
  // Variances 1 and 1.667; 4.93 degrees of freedom, taken as 4.
  close(halfWidth, 2.776 * Math.sqrt(1 / 3 + 1.6667 / 4), 0.005);
  assert.equal(difference([[1], [1]], [[3], [3]]), { mean: 2, halfWidth: 0 });
  assert.ok(Number.isNaN(difference([[1, 2, 3]], [[2], [3]]).halfWidth));
});

test.run();
