import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mayBeAnswered } from '../../../../src/eval/dht-network/api-fuzz.js';
import type { ApiResults } from '../../../../src/eval/goals/api-results.js';
import { ATTACK_CONNECTIONS, FUZZED_MESSAGES, LARGE_GETS } from '../../../../src/eval/goals/api-scale.js';
import { judgeApi } from '../../../../src/eval/goals/dht-api.js';
import { encodeMessage } from '../../../../src/wire/message.js';

const test = suite('goal of the API');

const times = (slow: number) => [...new Array(LARGE_GETS - 20).fill(5), ...new Array(20).fill(slow)];
const good: ApiResults = {
  limits: [{ name: 'a content of 0 bytes', held: true }],
  atRest: times(30),
  underAttack: times(49),
  attack: { connections: ATTACK_CONNECTIONS, mostOpen: 900 },
  grownBytes: 90e6,
  fuzzed: { messages: FUZZED_MESSAGES, wrong: 0 },
  alive: true,
};

test('an API within all bounds passes, and its figures are told', () => {
  const { passed, figure } = judgeApi(good);
  assert.ok(passed, figure);
  assert.match(figure, /^1 limits kept; .*p99 30\.0 ms .*p99 49\.0 ms .*900 open at once, 90 MB more memory/);
});

test('any one shortfall fails, and so does what was not measured', () => {
  const [fuzzed, attack] = [good.fuzzed, good.attack];
  for (const bad of [
    { limits: [] },
    { limits: [{ name: 'a content of 0 bytes', held: false }] },
    { atRest: times(51) },
    { atRest: times(30).slice(1) },
    { underAttack: times(51) },
    { underAttack: [...times(30), 'closed' as const] },
    { underAttack: [] },
    { attack: { ...attack, connections: ATTACK_CONNECTIONS - 1 } },
    { grownBytes: 201e6 },
    { grownBytes: Number.NaN },
    { fuzzed: { ...fuzzed, wrong: 1 } },
    { fuzzed: { ...fuzzed, messages: FUZZED_MESSAGES - 1 } },
    { alive: false },
  ]) {
    assert.not(judgeApi({ ...good, ...bad }).passed, JSON.stringify(bad).slice(0, 80));
  }
  assert.match(judgeApi({ ...good, limits: [{ name: 'TTL', held: false }] }).figure, /NOT kept: TTL/);
  assert.match(judgeApi({ ...good, atRest: ['late', 'late', 3] }).figure, /1 of 3 answered, 2 late/);
});

test('only a whole message of a kind that a DHT takes may be answered', () => {
  const get = encodeMessage({ type: 'dht-get', key: Buffer.alloc(32) });
  assert.ok(mayBeAnswered(get));
  assert.ok(mayBeAnswered(Buffer.concat([get, Buffer.from('rubbish')])));
  assert.not(mayBeAnswered(get.subarray(0, 20)));
  assert.not(mayBeAnswered(Buffer.alloc(0)));
  assert.not(mayBeAnswered(encodeMessage({ type: 'dht-get-reply', key: Buffer.alloc(32), content: get })));
});

test.run();
