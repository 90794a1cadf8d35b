/** The E-model against values of ITU-T G.107. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BEST_R, delayImpairment, mosOfRating, ratingOf } from '../../../../src/eval/report/e-model.js';

const test = suite('E-model');

function close(found: number, expected: number, within: number) {
  assert.ok(Math.abs(found - expected) <= within, `${found}, not ${expected}`);
}

test('a rating has the mean opinion score of G.107 Annex B', () => {
  // Table B.1: limits of the categories of speech transmission quality.
  for (const [r, mos] of [
    [90, 4.34],
    [80, 4.03],
    [70, 3.6],
    [60, 3.1],
    [50, 2.58],
  ] as const)
    close(mosOfRating(r), mos, 0.01);
  assert.equal([mosOfRating(-1), mosOfRating(100)], [1, 4.5]);
});

test('without delay a rating is that of the score, narrow band at its best at most', () => {
  for (const r of [20, 50, 70, 90]) close(ratingOf(mosOfRating(r), 0), r, 1e-6);
  assert.is(ratingOf(4.64, 0), BEST_R);
  assert.is(ratingOf(1, 0), 0);
});

test('delay impairs nothing up to 100 ms, and then more and more', () => {
  assert.is(delayImpairment(100), 0);
  // By formulas 7-27 and 7-28, computed by hand: X = 1, X = 2.
  close(delayImpairment(200), 3.04, 0.01);
  close(delayImpairment(400), 24.07, 0.02);
  for (let delay = 110; delay < 1_000; delay += 10)
    assert.ok(delayImpairment(delay) > delayImpairment(delay - 10), `${delay}`);
});

test('delay is taken off the rating, down to 0', () => {
  close(ratingOf(4.64, 400), BEST_R - delayImpairment(400), 1e-9);
  assert.is(ratingOf(1.2, 2_000), 0);
});

test.run();
