/** An attacker that is to wait hears of it; one that has nothing to wait for does not begin. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../../../src/config/config.js';
import type { Attacker } from '../../../../src/testing/attackers/attacker.js';
import { type AttackProgress, runAttack } from '../../../../src/testing/attackers/run-attack.js';

const test = suite('running an attacker');
const heard: boolean[] = [];
const anywhere: Attacker = {
  name: 'test',
  what: 'does nothing',
  counters: [],
  run: async ({ wait, begin }) => {
    heard.push(wait);
    begin();
  },
};

async function run(attacker: Attacker, wait: boolean): Promise<AttackProgress['state'][]> {
  const states: AttackProgress['state'][] = [];
  await runAttack(attacker, {
    // It looks at nothing of it.
    ...{ config: {} as Config, seed: 1, key: null, wait, durationMs: null },
    stop: new AbortController().signal,
    tell: ({ state }) => states.push(state),
  });
  return states;
}

test('whether it is to wait is said to the attacker', async () => {
  heard.length = 0;
  assert.equal(await run({ ...anywhere, waitsFor: 'call' }, true), ['attacking', 'over']);
  assert.equal(await run({ ...anywhere, waitsFor: 'call' }, false), ['attacking', 'over']);
  assert.equal(heard, [true, false]);
});

test('one that can attack from anywhere is not told to wait for nothing', async () => {
  heard.length = 0;
  const failure = await run(anywhere, true).then(
    () => null,
    (error) => error.code,
  );
  assert.is(failure, 'usage');
  assert.equal(await run(anywhere, false), ['attacking', 'over']);
  assert.equal(heard, [false]);
});

test.run();
