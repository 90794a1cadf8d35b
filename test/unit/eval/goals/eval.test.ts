/** Role: what the goal of the evaluation must find in what was run and on its page. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeLatency, type RunAnswer } from '../../../../src/eval/goals/eval-latency.js';

const test = suite('goal eval 1');

const measures = Object.fromEntries(
  ['ringingMs', 'mouthToEarMs', 'pesq', 'r'].map((name) => [name, { mean: 1, count: 2 }]),
);
const answer: RunAnswer = {
  ...{ passed: true, faults: [] },
  points: [10, 60].map((delay) => ({ values: { 'links.near.far.delayMs': delay }, measures })),
};
const page = {
  html: `<style>color: #222</style><svg></svg>${['ringingMs', 'mouthToEarMs', 'pesq', 'r', 'sentKbps'].map((name) => `<td>${name}: what it is</td>`).join('')}`,
  complaints: [],
};

test('passes with thresholds that hold and a page that shows what was measured', () => {
  const { passed, figure } = judgeLatency(answer, page);
  assert.ok(passed);
  assert.match(figure, /1 plots/);
});

test('fails by each of its conditions', () => {
  const failed = [
    judgeLatency({ ...answer, passed: false, faults: ['a threshold'] }, page),
    judgeLatency({ ...answer, points: answer.points.slice(1) }, page),
    judgeLatency(answer, { ...page, html: page.html.replace('<svg>', '') }),
    judgeLatency(answer, { ...page, html: page.html.replace('<td>pesq:', '') }),
    judgeLatency(answer, { ...page, html: page.html.replace('<td>r:', '') }),
    judgeLatency(answer, { ...page, complaints: ['a script'] }),
  ];
  for (const { passed } of failed) assert.not.ok(passed);
  assert.match(
    failed.map(({ figure }) => figure).join(),
    /a threshold.*pesq is not on the page.*the browser: a script/,
  );
});

test.run();
