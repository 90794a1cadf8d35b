/** Role: the verdict on calls through proxies. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeProxied } from '../../../src/eval/goals/testing-proxied.js';

const test = suite('testing 3');
const calls = Array.from({ length: 40 }, () => ({ caller: 'alice', ringingAfterMs: 900 }));
const applied = Object.fromEntries(
  ['slow', 'twice', 'cut-once'].flatMap((rule) => [
    [`dht ${rule}`, 1],
    [`kx ${rule}`, 1],
  ]),
);

test('passes only if every call came about and every rule was applied at both', () => {
  const good = { calls, messages: 100, applied };
  assert.is(judgeProxied(good).passed, true);
  assert.is(judgeProxied({ ...good, calls: calls.slice(1) }).passed, false);
  const failed = [...calls.slice(1), { caller: 'bob', fault: 'not rung at' }];
  assert.is(judgeProxied({ ...good, calls: failed }).passed, false);
  assert.match(judgeProxied({ ...good, calls: failed }).figure, /39 of 40 .* not rung at/);
  for (const rule of Object.keys(applied))
    assert.is(judgeProxied({ ...good, applied: { ...applied, [rule]: 0 } }).passed, false, rule);
});

test.run();
