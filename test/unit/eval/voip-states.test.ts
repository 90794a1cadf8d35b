/** Role: the verdict on a call through every state, and the list that breaks off. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Checklist, must } from '../../../src/eval/goals/states-results.js';
import { CHECKS, judgeStates } from '../../../src/eval/goals/voip-states.js';

const test = suite('voip 4');
const all = Array.from({ length: CHECKS }, (_, index) => ({ part: 'part', name: `check ${index}` }));

test('passes only if every check was reached, holds, and all ends were in time', () => {
  assert.is(judgeStates({ checks: all, brokenOff: [] }).passed, true);
  assert.is(judgeStates({ checks: all.slice(1), brokenOff: [] }).passed, false);
  assert.is(judgeStates({ checks: all, brokenOff: ['part: why'] }).passed, false);
  const [first, ...rest] = all as [(typeof all)[0], ...typeof all];
  assert.is(judgeStates({ checks: [{ ...first, fault: 'why' }, ...rest], brokenOff: [] }).passed, false);
  const ends = (endedAfterMs: number) =>
    judgeStates({ checks: [{ ...first, endedAfterMs }, ...rest], brokenOff: [] });
  assert.is(ends(5_000).passed, true);
  assert.is(ends(5_001).passed, false);
});

test('a check that fails ends its part, is kept with its fault, and what it left is cleared', async () => {
  let cleared = 0;
  const checklist = new Checklist(
    () => {},
    async () => {
      cleared += 1;
    },
  );
  await checklist.part('one', async (check) => {
    await check('timed', async () => 7);
    await check('fails', async () => must(false, 'no'));
    await check('never reached', async () => {});
  });
  await checklist.part('two', async (check) => check('holds', async () => {}));
  assert.equal(checklist.checks, [
    { part: 'one', name: 'timed', endedAfterMs: 7 },
    { part: 'one', name: 'fails', fault: 'no' },
    { part: 'two', name: 'holds' },
  ]);
  assert.equal(checklist.brokenOff, ['one: no']);
  assert.is(cleared, 1);
});

test.run();
