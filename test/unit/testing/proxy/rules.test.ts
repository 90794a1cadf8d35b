/** Role: what rules may say, which messages they select, and what they make of a message. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as v from 'valibot';
import type { Clock } from '../../../../src/clock.js';
import { PeerError } from '../../../../src/errors.js';
import {
  ipBytes,
  ipText,
  MESSAGE_SCHEMAS,
  messageToJson,
} from '../../../../src/testing/proxy/message-json.js';
import { makePlan } from '../../../../src/testing/proxy/plan.js';
import { parseRule, parseRules } from '../../../../src/testing/proxy/rule.js';
import { type Occasion, RuleSet } from '../../../../src/testing/proxy/rule-set.js';
import { type ApiMessage, decodeMessage, encodeMessage } from '../../../../src/wire/message.js';
import { get, key } from './proxy-bench.js';

const ROOT = new URL('../../../../../', import.meta.url);

class StillClock implements Clock {
  ms = 1_000_000;
  now = () => this.ms;
  setTimer = () => null;
  clearTimer = () => {};
}

function rules(...given: object[]): RuleSet {
  const clock = new StillClock();
  return new RuleSet(
    'dht',
    1,
    clock,
    given.map((rule) => parseRule({ name: 'r', ...rule }, 'dht')),
  );
}

const occasion = (index: number, change: Partial<Occasion> = {}): Occasion => ({
  connection: 1,
  direction: 'to-target',
  index,
  kind: 'dht-get',
  ...change,
});

/** Which of the first messages the rules select. */
function selected(set: RuleSet, count: number, change: Partial<Occasion> = {}): number[] {
  const indices = Array.from({ length: count }, (_, index) => index + 1);
  return indices.filter((index) => set.decide(occasion(index, change)).length > 0);
}

function planOf(rule: object, message: ApiMessage | Buffer) {
  const frame = Buffer.isBuffer(message) ? message : encodeMessage(message);
  return makePlan(frame, [parseRule({ name: 'r', ...rule }, 'dht').rule], occasion(1), 1);
}

function refusal(text: string): string {
  try {
    parseRules(text, 'rules.json', 'dht');
  } catch (error) {
    assert.instance(error, PeerError);
    assert.is((error as PeerError).code, 'proxy-rules');
    return (error as PeerError).message;
  }
  throw new Error('nothing was refused');
}

const test = suite('proxy rules');

test('mistakes are told with their place, all at once', () => {
  assert.match(refusal('{"rules": [}'), /^rules\.json: no JSON: /);
  assert.match(refusal('{"rule": []}'), /rules\.json\.rule: Invalid key: Expected never but received "rule"/);
  const message = refusal(
    JSON.stringify({
      rules: [
        { name: 'a', action: 'delay' },
        { name: 'b', action: 'drop', probability: 2 },
        { name: 'c', action: 'drop', types: ['dht-get', 'dht-got'] },
        { name: 'd', action: 'explode' },
        { name: 'e', action: 'drop', form: 3 },
        { name: 'f', action: 'drop', types: ['kx-ready'] },
        { name: 'g', action: 'alter', set: { ttlSeconds: 1 } },
        { name: 'h', action: 'alter', types: ['dht-put', 'dht-get'], set: { ttlSeconds: 1 } },
        { name: 'i', action: 'alter', types: ['dht-put'], set: { ttlSeconds: 70_000 } },
        { name: 'j', action: 'drop', from: 10, until: 10 },
        { name: 'k', action: 'inject', message: { type: 'dht-get', key: 'ab' } },
        { name: 'l', action: 'inject', message: { hex: 'abc' } },
        { name: 'm', action: 'alter' },
        { name: 'n', action: 'drop' },
        { name: 'n', action: 'drop' },
      ],
    }),
  );
  const expected = [
    /rules\.0\.delayMs: Invalid key: Expected "delayMs"/,
    /rules\.1\.probability: Invalid value: Expected <=1 but received 2/,
    /rules\.2\.types\.1: Expected "malformed" or one of dht-put/,
    /rules\.3\.action: Invalid type: Expected .*"drop".* but received "explode"/,
    /rules\.4\.form: Invalid key/,
    /rules\.5\.types: kx-ready is no message of the dht API/,
    /rules\.6\.set: expected types that have these fields/,
    /rules\.7\.set \(dht-get\)\.ttlSeconds: Invalid key/,
    /rules\.8\.set \(dht-put\)\.ttlSeconds: Invalid value: Expected <=65535/,
    /rules\.9\.until: expected more than from \(10\)/,
    /rules\.10\.message\.key: Expected 64 hex digits/,
    /rules\.11\.message\.hex: Expected an even number of hex digits/,
    /rules\.12: Expected one of set, patch, truncate, append/,
    /rules\.14\.name: there is another rule with the name n/,
  ];
  const lines = message.split('\n');
  assert.is(lines.length, expected.length, message);
  for (const [index, pattern] of expected.entries()) assert.match(lines[index] as string, pattern);
});

test('the example of the documentation is valid', () => {
  const text = readFileSync(new URL('config/proxy-rules.json', ROOT), 'utf8');
  assert.ok(parseRules(text, 'proxy-rules.json', 'dht').length >= 5);
});

test('direction, types and counts select', () => {
  assert.equal(selected(rules({ action: 'drop' }), 3), [1, 2, 3]);
  assert.equal(selected(rules({ action: 'drop', direction: 'to-client' }), 3), []);
  assert.equal(selected(rules({ action: 'drop', types: [501] }), 2), [1, 2]);
  assert.equal(selected(rules({ action: 'drop', types: ['dht-put'] }), 2), []);
  assert.equal(selected(rules({ action: 'drop', types: ['malformed'] }), 2, { kind: 'malformed' }), [1, 2]);
  assert.equal(selected(rules({ action: 'drop', after: 2, times: 3 }), 9), [3, 4, 5]);
  assert.equal(selected(rules({ action: 'drop', enabled: false }), 2), []);
});

test('the schedule runs from when a rule came into force', () => {
  const clock = new StillClock();
  const set = new RuleSet('dht', 1, clock);
  clock.ms += 60_000;
  set.add({ name: 'r', action: 'drop', from: 2, until: 5 });
  const hits: number[] = [];
  for (let second = 0; second < 8; second++) {
    if (set.decide(occasion(second + 1)).length > 0) hits.push(second);
    clock.ms += 1_000;
  }
  assert.equal(hits, [2, 3, 4]);
});

test('probability: the share is about right, and follows from the seed and the message alone', () => {
  const clock = new StillClock();
  const make = (seed: number, ...more: object[]) =>
    new RuleSet('dht', seed, clock, [
      ...more.map((rule) => parseRule(rule, 'dht')),
      parseRule({ name: 'r', action: 'drop', probability: 0.05 }, 'dht'),
    ]);
  const first = selected(make(7), 4_000);
  assert.ok(first.length > 140 && first.length < 260, String(first.length));
  assert.equal(selected(make(7), 4_000), first);
  assert.not.equal(selected(make(8), 4_000), first);
  assert.not.equal(selected(make(7), 4_000, { connection: 2 }), first);
  assert.not.equal(selected(make(7), 4_000, { direction: 'to-client' }), first);
  // Neither another rule nor the order in which connections speak changes what is decided.
  const other = { name: 'other', action: 'duplicate', types: ['dht-put'] };
  assert.equal(selected(make(7, other), 4_000), first);
  const mixed = make(7);
  const seen = Array.from({ length: 4_000 }, (_, index) => {
    mixed.decide(occasion(index + 1, { connection: 2 }));
    return mixed.decide(occasion(index + 1)).length > 0 ? index + 1 : 0;
  });
  assert.equal(
    seen.filter((index) => index > 0),
    first,
  );
});

test('rules are listed, added, changed and removed by name', () => {
  const set = rules({ name: 'a', action: 'drop' });
  set.add({ name: 'b', action: 'delay', delayMs: 5, types: ['dht-put'] });
  selected(set, 2);
  assert.equal(set.list(), [
    { rule: { name: 'a', action: 'drop' }, seen: 2, applied: 2 },
    { rule: { name: 'b', action: 'delay', delayMs: 5, types: ['dht-put'] }, seen: 0, applied: 0 },
  ]);
  assert.throws(() => set.add({ name: 'a', action: 'drop' }), /already/);
  assert.throws(() => set.change('b', { delayMs: -1 }), /delayMs/);
  assert.throws(() => set.change('c', {}), /no rule with the name c/);
  set.change('b', { delayMs: 6, types: null });
  set.change('a', { enabled: false });
  assert.equal(
    set.decide(occasion(3)).map(({ name }) => name),
    ['b'],
  );
  set.remove('b');
  assert.throws(() => set.remove('b'), /no rule with the name b/);
  assert.equal(
    set.list().map(({ rule }) => rule),
    [{ name: 'a', action: 'drop', enabled: false }],
  );
});

test('waits for a message only where a rule may concern it', () => {
  const set = rules({ action: 'drop', direction: 'to-target', types: ['dht-get'] });
  assert.is(set.concerns('to-client'), false);
  assert.is(set.concerns('to-target'), true);
  assert.is(set.concerns('to-target', 'dht-get'), true);
  assert.is(set.concerns('to-target', 'dht-put'), false);
  assert.is(rules({ action: 'drop', types: ['malformed'] }).concerns('to-target', 'dht-put'), true);
  assert.is(rules({ action: 'drop', enabled: false }).concerns('to-target'), false);
});

test('alter sets fields, and leaves reserved bytes as they came', () => {
  const put = {
    type: 'dht-put',
    key: key(1),
    ttlSeconds: 9,
    replication: 3,
    content: Buffer.from('abc'),
  } as const;
  const frame = encodeMessage(put);
  frame.fill(0xee, 39, 44);
  const plan = planOf({ action: 'alter', types: ['dht-put'], set: { ttlSeconds: 77, content: '00' } }, frame);
  const expected = encodeMessage({ ...put, ttlSeconds: 77, content: Buffer.alloc(1) });
  expected.fill(0xee, 39, 44);
  assert.equal(plan.bytes, expected);
  assert.equal(plan.done[0]?.altered, true);
});

test('alter sets the hops of a trace by addresses as people write them', () => {
  const hops = [{ identity: key(2).toString('hex'), kxPort: 5, ipv4: '10.0.0.9', ipv6: '2001:db8::1' }];
  const reply: ApiMessage = { type: 'dht-trace-reply', key: key(1), hops: [] };
  const { bytes } = planOf({ action: 'alter', types: ['dht-trace-reply'], set: { hops } }, reply);
  const decoded = decodeMessage(bytes as Buffer);
  assert.ok(decoded.ok && decoded.message.type === 'dht-trace-reply');
  const [hop] = decoded.message.hops;
  assert.equal(hop?.ipv4, Buffer.from([10, 0, 0, 9]));
  assert.equal(hop?.ipv6?.toString('hex'), '20010db8000000000000000000000001');
});

test('alter makes messages malformed: patch, truncate, append, and the size that fits or lies', () => {
  const frame = encodeMessage(get(1));
  const patched = planOf(
    {
      action: 'alter',
      patch: [
        { at: 0, hex: 'ffff' },
        { at: 35, hex: 'aabb' },
      ],
    },
    get(1),
  );
  assert.equal(
    patched.bytes,
    Buffer.concat([Buffer.from('ffff', 'hex'), frame.subarray(2, 35), Buffer.from('aa', 'hex')]),
  );
  assert.equal(planOf({ action: 'alter', truncate: 10 }, get(1)).bytes, frame.subarray(0, 10));
  const longer = planOf({ action: 'alter', append: 'cafe', fitSize: true }, get(1)).bytes as Buffer;
  assert.is(longer.length, 38);
  assert.is(longer.readUInt16BE(0), 38);
});

test('a field that does not fit this message leaves it as it is', () => {
  const reply: ApiMessage = { type: 'dht-get-reply', key: key(1), content: Buffer.alloc(0) };
  const content = '00'.repeat(65_536);
  const plan = planOf({ action: 'alter', types: ['dht-get-reply'], set: { content } }, reply);
  assert.equal(plan.bytes, encodeMessage(reply));
  assert.is(plan.done[0]?.altered, false);
});

test('inject takes messages and any bytes, before, after, instead and back', () => {
  const message = { type: 'dht-error', requestType: 501, key: key(1).toString('hex') };
  const bytes = encodeMessage({ type: 'dht-error', requestType: 501, key: key(1) });
  assert.equal(planOf({ action: 'inject', message }, get(1)).after, [bytes]);
  assert.equal(planOf({ action: 'inject', message, place: 'before' }, get(1)).before, [bytes]);
  const answered = planOf({ action: 'inject', message, place: 'instead', to: 'back' }, get(1));
  assert.is(answered.bytes, null);
  assert.equal(answered.back, [bytes]);
  assert.equal(planOf({ action: 'inject', message: { hex: 'ff00' } }, get(1)).after, [Buffer.from([255, 0])]);
});

const anyBytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));

test('addresses and messages come back from their text', () => {
  fc.assert(fc.property(anyBytes(16), (bytes) => assert.equal(ipBytes(ipText(bytes)), bytes)));
  fc.assert(fc.property(anyBytes(4), (bytes) => assert.equal(ipBytes(ipText(bytes)), bytes)));
  for (const text of ['1.2.3', '::1%lo', 'a', '', '1::2::3']) assert.is(ipBytes(text), null, text);
  const vectors = JSON.parse(readFileSync(new URL('test/vectors/api-messages.json', ROOT), 'utf8')).vectors;
  for (const { frame, valid } of vectors) {
    const decoded = decodeMessage(Buffer.from(frame, 'hex'));
    assert.is(decoded.ok, valid);
    if (!decoded.ok) continue;
    const json = JSON.parse(JSON.stringify(messageToJson(decoded.message)));
    assert.equal(v.parse(MESSAGE_SCHEMAS[decoded.message.type], json), decoded.message);
  }
});

test.run();
