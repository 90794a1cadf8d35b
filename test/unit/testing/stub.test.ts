/** The stubs themselves: what they keep, and what a script makes of them. */

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../../src/api/client.js';
import { PeerError } from '../../../src/errors.js';
import { ipv6Bytes } from '../../../src/testing/ip-bytes.js';
import { DhtStub } from '../../../src/testing/stub/dht-stub.js';
import { parseScript, type Script } from '../../../src/testing/stub/script.js';
import { startStub } from '../../../src/testing/stub/start-stub.js';
import type { ApiMessage } from '../../../src/wire/message.js';

const test = suite('stubs');
const EXAMPLE = readFileSync(new URL('../../../../docs/testing/stub-script.json', import.meta.url), 'utf8');
const keyFrom = (first: number) => Buffer.alloc(32, first);
const get = (key: Buffer): ApiMessage => ({ type: 'dht-get', key });

/** The answers to requests on one connection, as many as are asked for. */
async function converse(
  module: 'dht' | 'kx',
  script: Script | undefined,
  requests: readonly ApiMessage[],
  expected: number,
): Promise<ApiMessage[]> {
  const stub = await startStub({
    ...{ module, host: '127.0.0.1', port: 0, hops: [] },
    ...(script && { script }),
  });
  const client = await ApiClient.connect({ host: '127.0.0.1', port: stub.port });
  for (const request of requests) client.send(request);
  const answers: ApiMessage[] = [];
  if (expected > 0) {
    for await (const answer of client) {
      answers.push(answer);
      if (answers.length === expected) break;
    }
  }
  client.close();
  await stub.close();
  return answers;
}

test('contents of a DHT end with their TTL, each with its own', () => {
  let nowMs = 0;
  const stub = new DhtStub([], () => nowMs);
  const key = keyFrom(1);
  const put = (content: string, ttlSeconds: number) =>
    stub.answers({ type: 'dht-put', key, content: Buffer.from(content), ttlSeconds, replication: 1 });
  assert.equal([...put('short', 1), ...put('long', 2)], []);
  assert.is(stub.answers(get(key)).length, 2);
  nowMs = 1_000;
  assert.equal(stub.answers(get(key)), [{ type: 'dht-get-reply', key, content: Buffer.from('long') }]);
  nowMs = 2_000;
  assert.equal(stub.answers(get(key)), [{ type: 'dht-error', requestType: 501, key }]);
  assert.equal(put('never', 0), [{ type: 'dht-error', requestType: 500, key }]);
});

test('a DHT stays bounded', () => {
  const stub = new DhtStub([]);
  for (let number = 0; number < 5_000; number += 1) {
    const key = Buffer.alloc(32);
    key.writeUInt32BE(number, 0);
    stub.answers({ type: 'dht-put', key, content: Buffer.from('x'), ttlSeconds: 60, replication: 1 });
  }
  assert.is(stub.answers(get(Buffer.alloc(32)))[0]?.type, 'dht-error');
});

test('the example script does what its page says', async () => {
  const script = parseScript(EXAMPLE, 'example');
  const [ab, cd] = [keyFrom(0xab), keyFrom(0xcd)];
  const answers = await converse(
    'dht',
    script,
    [get(keyFrom(0xef)), { type: 'dht-trace', key: ab }, get(cd)],
    2,
  );
  assert.ok(answers[0]?.type === 'dht-trace-reply' && answers[0].hops.length === 2);
  assert.equal(answers[0].hops[1]?.ipv6, ipv6Bytes('2001:db8::2'));
  assert.equal(answers[1], { type: 'dht-error', requestType: 501, key: cd });
  assert.equal(await converse('dht', script, [get(ab)], 2), [
    { type: 'dht-get-reply', key: ab, content: Buffer.from('first') },
    { type: 'dht-get-reply', key: ab, content: Buffer.from([0, 255]) },
  ]);
  const build: ApiMessage = {
    ...{ type: 'kx-build-outgoing', hops: 3, pseudoIdentity: ab, extension: Buffer.alloc(0) },
    exchangePoint: { identity: ab, kxPort: 1, ipv4: Buffer.alloc(4, 1), ipv6: null },
  };
  assert.equal(await converse('kx', script, [build, build], 2), [
    { type: 'kx-error', requestType: 601, pseudoIdentity: ab },
    { type: 'kx-ready', pseudoIdentity: ab, ipv4: Buffer.from([10, 99, 0, 7]), ipv6: Buffer.alloc(16) },
  ]);
});

test('where no rule fits, a stub answers as it would without script', async () => {
  const key = keyFrom(9);
  assert.equal(await converse('dht', parseScript('{"rules": []}', 'none'), [get(key)], 1), [
    { type: 'dht-error', requestType: 501, key },
  ]);
});

test('a script that is wrong is refused with the place', () => {
  for (const [text, place] of [
    ['{', 'not JSON'],
    ['{}', 'rules'],
    ['{"rules": [{"type": "dht-got"}]}', 'rules.0.type'],
    ['{"rules": [{"answers": [{"hops": [{"identity": "00", "kxPort": 1}]}]}]}', 'rules.0.answers.0'],
    ['{"rules": [{"delay": 5}]}', 'rules.0.delay'],
  ] as const) {
    assert.throws(
      () => parseScript(text, 'script.json'),
      (error: unknown) =>
        error instanceof PeerError && error.code === 'stub-script' && error.message.includes(place),
    );
  }
});

test('a script in YAML is the same as in JSON, and refused with its own name', async () => {
  const yaml = `
rules:
  - type: dht-get          # only these
    key: ab*
    answers:
      - content: first
      - { contentHex: 00ff }
`;
  const answers = await converse('dht', parseScript(yaml, 'script.yaml'), [get(keyFrom(0xab))], 2);
  assert.equal(
    answers.map((answer) => answer.type === 'dht-get-reply' && answer.content.toString('latin1')),
    ['first', '\0\xff'],
  );
  for (const [text, place] of [
    ['rules: [', 'script.yml is not YAML'],
    ['rules:\n  - type: dht-got', 'rules.0.type'],
  ] as const)
    assert.throws(
      () => parseScript(text, 'script.yml'),
      (error: unknown) => error instanceof PeerError && error.message.includes(place),
    );
});

test('IPv6 addresses in all their forms', () => {
  assert.equal(ipv6Bytes('::'), Buffer.alloc(16));
  assert.equal(ipv6Bytes('2001:db8::1').toString('hex'), '20010db8000000000000000000000001');
  assert.equal(ipv6Bytes('::ffff:192.0.2.1').toString('hex'), '00000000000000000000ffffc0000201');
  assert.equal(ipv6Bytes('1:2:3:4:5:6:7:8').toString('hex'), '00010002000300040005000600070008');
});

test.run();
