/** The goal of the testing module falls when anything of it does. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConformanceReport, StubConformance } from '../../../../src/eval/goals/conformance-results.js';
import { judgeOwn, judgeStubs } from '../../../../src/eval/goals/testing.js';

const test = suite('goal of conformance');
type Outcome = ConformanceReport['checks'][number]['outcome'];

const report = (outcome: Outcome): ConformanceReport => ({
  conforms: outcome === 'holds',
  checks: [{ address: 'kx/3/a', outcome, detail: '' }],
});

test('our modules: whatever does not hold counts', () => {
  const good = { dht: report('holds'), kx: report('holds') };
  assert.ok(judgeOwn(good).passed);
  for (const kx of [report('fails'), report('not-checked'), { conforms: true, checks: [] }]) {
    assert.not(judgeOwn({ ...good, kx }).passed);
  }
});

test('stubs: each fault is caught by its check, and right stubs have none', () => {
  const right: StubConformance[] = (['dht', 'kx'] as const).map((module) => ({
    ...{ module, fault: null, check: null, report: report('holds') },
  }));
  const fault: StubConformance = { module: 'kx', fault: 'f', check: 'kx/3/a', report: report('fails') };
  const faults = Array.from({ length: 20 }, () => fault);
  assert.ok(judgeStubs([...right, ...faults]).passed);
  for (const bad of [
    faults,
    [...right, ...faults.slice(1)],
    [...right, ...faults, { ...fault, report: report('holds') }],
    [...right, ...faults, { ...fault, report: report('not-checked') }],
    [...right, ...faults, { ...fault, check: 'kx/3/b' }],
    [right[0] as StubConformance, { ...(right[1] as StubConformance), report: report('fails') }, ...faults],
  ]) {
    assert.not(judgeStubs(bad).passed);
  }
});

test.run();
