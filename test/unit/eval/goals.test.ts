/** The list of goals, and what is read from the output of tests. */

import { availableParallelism } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatOutcome, type Goal, goalName, runParts } from '../../../src/eval/goals/goal.js';
import {
  missingCases,
  NEGATIVE_CASES,
  readCargoTests,
  readRunnerFiles,
} from '../../../src/eval/goals/negative-cases.js';
import { GOALS, selectGoals } from '../../../src/eval/goals/registry.js';

const test = suite('goals');

function goal(area: string, number: number): Goal {
  const run = async () => ({ passed: true, figure: '' });
  return { area, number, title: 'it works', sampleSize: '3 runs', run };
}

const SOME = [goal('call', 1), goal('call', 2), goal('kx', 1)];

test('every goal has a name of its own, a title and a sample size', () => {
  assert.is(new Set(GOALS.map(goalName)).size, GOALS.length);
  for (const { title, sampleSize } of GOALS) assert.ok(title !== '' && sampleSize !== '');
});

test('an area means all of its goals, a number one of them', () => {
  assert.equal(selectGoals(SOME, 'call').map(goalName), ['call 1', 'call 2']);
  assert.equal(selectGoals(SOME, 'kx', '1').map(goalName), ['kx 1']);
});

test('an area or number that there is not is wrong usage, and says what there is', () => {
  const says = (pattern: RegExp) => (error: { code: string; message: string }) =>
    error.code === 'usage' && pattern.test(error.message);
  assert.throws(() => selectGoals(SOME, 'dht'), says(/call, kx/));
  assert.throws(() => selectGoals(SOME, 'call', '3'), says(/1, 2/));
});

test('an outcome is one line with verdict, goal, figure and sample size', () => {
  assert.is(
    formatOutcome(goal('call', 1), { passed: false, figure: '3 ms' }),
    'FAILED  call 1  it works: 3 ms [3 runs]',
  );
});

test('a goal of parts is reached if all are, and all are measured whatever the others gave', async () => {
  const part = (passed: boolean, figure: string) => ({
    title: '',
    sampleSize: '',
    run: async () => ({ passed, figure }),
  });
  const broken = { ...part(true, ''), run: () => Promise.reject(new Error('no wire')) };
  const good = [part(true, '1 ms'), part(true, '2 ms')];
  assert.equal(await runParts(good, () => {}), { passed: true, figure: '1 ms | 2 ms' });
  assert.equal(await runParts([part(false, '9 ms'), broken, ...good], () => {}), {
    passed: false,
    figure: 'FAILED 9 ms | FAILED cannot be measured: no wire | 1 ms | 2 ms',
  });
});

test('parts in virtual time run side by side, others one after the other', async () => {
  const mostAtOnce = async (isVirtual: boolean) => {
    let [running, most] = [0, 0];
    const part = {
      title: '',
      sampleSize: '',
      ...(isVirtual ? { isVirtual } : {}),
      run: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running -= 1;
        return { passed: true, figure: '' };
      },
    };
    await runParts([part, part, part], () => {});
    return most;
  };
  assert.is(await mostAtOnce(false), 1);
  assert.is(await mostAtOnce(true), Math.min(3, availableParallelism()));
});

test('tests that failed, were ignored or had no test do not count', () => {
  const cargo = readCargoTests(
    'test links::tests::altered ... ok\ntest replayed ... FAILED\ntest slow ... ignored\ntest result: ok. 1 passed\n',
  );
  assert.equal([...cargo], ['links::tests::altered']);
  const files = readRunnerFiles(
    'ok     unit/a.test: 3 passed in 0.1 s\nFAILED unit/b.test: 2 passed in 0.1 s\n',
  );
  assert.equal([...files], [['unit/a.test', 3]]);
});

test('a case whose test is gone is missing, whatever else passed', () => {
  const cases = [{ kind: 'altered', testFiles: ['unit/a.test'], cargoTests: ['altered'] }];
  const cargo = new Set(['links::tests::altered']);
  const files = new Map([['unit/a.test', 3]]);
  assert.equal(missingCases(cases, cargo, files), []);
  assert.match(missingCases(cases, new Set(), files)[0] ?? '', /^altered: .*altered/);
  assert.match(missingCases(cases, cargo, new Map())[0] ?? '', /unit\/a\.test/);
  assert.match(missingCases(cases, cargo, new Map([['unit/a.test', 0]]))[0] ?? '', /unit\/a\.test/);
  assert.is(missingCases(NEGATIVE_CASES, new Set(), new Map()).length, NEGATIVE_CASES.length);
});

test.run();
