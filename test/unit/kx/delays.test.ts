import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Delays, preferenceCostBits } from '../../../src/kx/delays.js';
import type { Candidate } from '../../../src/kx/peer-pool.js';

const test = suite('delays of links');
const candidate = (): Candidate => ({ identity: randomBytes(32), address: '10.0.0.1', port: 3001 });

test('the steps of a build tell the delay of each link', () => {
  const delays = new Delays(randomBytes(32));
  const [a, b, c] = [candidate(), candidate(), candidate()];
  delays.note([a, b, c], [40, 100, 110]);
  assert.is(delays.estimate([a]), 40);
  assert.is(delays.estimate([a, b]), 100);
  assert.is(delays.estimate([a, b, c]), 110);
});

test('a link that was not measured counts as an average one', () => {
  const delays = new Delays(randomBytes(32));
  assert.is(delays.estimate([candidate(), candidate()]), 0);
  delays.note([candidate()], [10]);
  delays.note([candidate()], [30]);
  assert.is(delays.estimate([candidate(), candidate()]), 40);
});

test('a step that had to be repeated tells nothing, of its link or the next', () => {
  const delays = new Delays(randomBytes(32));
  const [a, b, c] = [candidate(), candidate(), candidate()];
  delays.note([a, b, c], [10, 0, 40]);
  assert.is(delays.estimate([a]), 10);
  delays.note([a], [10]);
  assert.is(delays.estimate([a, b, c]), 30);
});

test('a shorter measure counts at once, a longer one little by little, and one that seems negative not at all', () => {
  const delays = new Delays(randomBytes(32));
  const [a, b] = [candidate(), candidate()];
  delays.note([a, b], [10, 5]);
  assert.is(delays.estimate([a]), 10);
  assert.is(delays.estimate([a, b]), 20);
  delays.note([a], [20]);
  assert.is(delays.estimate([a]), 13);
  delays.note([a], [2]);
  assert.is(delays.estimate([a]), 2);
});

test('preferring the quicker of two costs little, and ever the same', () => {
  assert.is(preferenceCostBits(1), 0);
  assert.ok(Math.abs(preferenceCostBits(2) - 0.1887) < 1e-4);
  const [eight, many] = [preferenceCostBits(8), preferenceCostBits(100_000)];
  assert.ok(eight < many && many < 1 - 1 / (2 * Math.LN2) + 1e-4, `${eight} ${many}`);
});

test.run();
