/** The goal of the attackers falls when anybody is harmed, and when an attack is not counted. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AttackTrial } from '../../../../src/eval/goals/attack-results.js';
import { judgeAttacks, tableOf } from '../../../../src/eval/goals/attacks.js';

const test = suite('goal of the attackers');

const quiet: AttackTrial = {
  ...{ attacker: null, seconds: 30, counted: {}, done: {} },
  calls: [{ connectedAfterMs: 900 }, { connectedAfterMs: 1_100 }],
  standing: { calls: 2, kept: 2 },
  voice: { received: 1_000, lost: 1 },
  gets: [100, 200],
};
const attacked: AttackTrial = { ...quiet, attacker: 'dht-lie', counted: { 'dht.state.a': 3 } };

test('all go on and the attack is counted: passed, and a line for each', () => {
  const { passed, figure } = judgeAttacks([quiet, attacked]);
  assert.ok(passed);
  assert.is(figure, '1 attackers; 2 of 2 calls came about; voice lost at most 0.10 %');
  assert.is(
    tableOf([quiet, attacked]).at(-1),
    '| dht-lie | 2 of 2 | 2 of 2 | 1.10 / 1.10 s | 0.10 % | 2 of 2 | 0.20 / 0.20 s | a 3 |',
  );
});

const harms: Readonly<Record<string, Partial<AttackTrial>>> = {
  'a call did not come about': { calls: [...quiet.calls, { connectedAfterMs: null, reason: 'late' }] },
  '1 calls broken off': { standing: { calls: 2, kept: 1 } },
  '5.21 % of voice lost': { voice: { received: 1_000, lost: 55 } },
  'no voice': { voice: { received: 0, lost: 0 } },
  '1 of 3 contents not found': { gets: [...quiet.gets, null] },
  'dht.state.a did not rise': { counted: { 'dht.state.a': 0, 'dht.state.b': 1 } },
  'nothing was tried': { calls: [] },
  'could not begin': { fault: 'could not begin' },
};

for (const [harm, what] of Object.entries(harms)) {
  test(`${harm}: not passed`, () => {
    const { passed, figure } = judgeAttacks([quiet, attacked, { ...attacked, ...what }]);
    assert.not(passed);
    assert.match(figure, `dht-lie: ${harm}`);
  });
}

test('what is not so without an attack says nothing of attacks, and is not passed either', () => {
  const broken = { ...quiet, standing: { calls: 2, kept: 1 } };
  assert.match(judgeAttacks([broken, attacked]).figure, 'without attack: 1 calls broken off');
  assert.not(judgeAttacks([broken, attacked]).passed);
});

test('without attackers, or without anything to compare with, it is not passed', () => {
  assert.not(judgeAttacks([quiet]).passed);
  assert.not(judgeAttacks([attacked]).passed);
});

test.run();
