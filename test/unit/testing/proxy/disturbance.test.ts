/** Role: rules at work on connections through the proxy. */

import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlClient } from '../../../../src/api/control-client.js';
import type { PeerError } from '../../../../src/errors.js';
import { type ApiMessage, encodeMessage } from '../../../../src/wire/message.js';
import { bytesUntilEnd, rawClient, readBytes } from '../../../support/api-bench.js';
import { exchange, fillsOf, get, key, type ProxyBench, until, withProxy } from './proxy-bench.js';

const toTarget = { name: 'r', direction: 'to-target' } as const;
const gets = (count: number) => Array.from({ length: count }, (_, index) => get(index + 1));

/** What of ten GETs an echo behind the proxy gives back. */
async function fate(rule: object, count = 10): Promise<number[]> {
  let fills: number[] = [];
  await withProxy({ rules: [{ ...toTarget, ...rule }] }, async ({ port }) => {
    fills = fillsOf(await exchange(port, gets(count)));
  });
  return fills;
}

const test = suite('proxy disturbance');

test('drops', async () => {
  assert.equal(await fate({ action: 'drop', after: 2, times: 3 }), [1, 2, 6, 7, 8, 9, 10]);
});

test('duplicates', async () => {
  assert.equal(await fate({ action: 'duplicate', copies: 2, after: 1, times: 1 }, 3), [1, 2, 2, 2, 3]);
});

test('reorders: a message is overtaken by as many as the rule says, and goes before the end', async () => {
  assert.equal(
    await fate({ action: 'reorder', distance: 2, times: 1, waitMs: 3_600_000 }, 5),
    [2, 3, 1, 4, 5],
  );
  assert.equal(await fate({ action: 'reorder', after: 3, waitMs: 3_600_000 }, 4), [1, 2, 3, 4]);
});

test('a reordered message goes after its time though no other comes', () =>
  withProxy({ rules: [{ ...toTarget, action: 'reorder', distance: 5, waitMs: 50 }] }, async ({ port }) => {
    const client = await rawClient(port);
    client.write(encodeMessage(get(9)));
    assert.equal(fillsOf(await readBytes(client, 36)), [9]);
    client.destroy();
  }));

test('delays, in order, and no sooner than the rule says', () =>
  withProxy(
    { rules: [{ ...toTarget, action: 'delay', delayMs: 200, after: 1, times: 1 }] },
    async ({ port }) => {
      const client = await rawClient(port);
      const start = performance.now();
      for (const message of gets(3)) client.write(encodeMessage(message));
      assert.equal(fillsOf(await readBytes(client, 36)), [1]);
      assert.equal(fillsOf(await readBytes(client, 72)), [2, 3]);
      assert.ok(performance.now() - start >= 199);
      client.destroy();
    },
  ));

test('alters', () =>
  withProxy(
    { rules: [{ ...toTarget, action: 'alter', types: ['dht-put'], set: { ttlSeconds: 7 } }] },
    async ({ port }) => {
      const put = {
        type: 'dht-put',
        key: key(1),
        ttlSeconds: 60,
        replication: 2,
        content: Buffer.from('x'),
      } as const;
      const back = await exchange(port, [put]);
      assert.equal(back, encodeMessage({ ...put, ttlSeconds: 7 }));
    },
  ));

test('injects on the way and back, also instead of a message', async () => {
  const message = { type: 'dht-error', requestType: 501, key: key(7).toString('hex') };
  const error = encodeMessage({ type: 'dht-error', requestType: 501, key: key(7) });
  const rules = [
    { name: 'a', direction: 'to-target', action: 'inject', message, place: 'instead', to: 'back', times: 1 },
    { name: 'b', direction: 'to-client', action: 'inject', message: { hex: 'abcd' }, place: 'before' },
  ];
  await withProxy({ rules }, async ({ port, log }) => {
    const back = await exchange(port, gets(2));
    assert.equal(back, Buffer.concat([error, Buffer.from('abcd', 'hex'), encodeMessage(get(2))]));
    const applied = log()
      .flatMap((line) => line.rules ?? [])
      .map(({ rule }) => rule);
    assert.equal(applied, ['a', 'b']);
  });
});

test('what is injected never comes inside of a message that is on its way', async () => {
  const error: ApiMessage = { type: 'dht-error', requestType: 501, key: key(7) };
  const message = { hex: encodeMessage(error).toString('hex') };
  const rules = [{ ...toTarget, action: 'inject', message, to: 'back' }];
  let target: Socket | undefined;
  const onConnection = (socket: Socket) => {
    socket.resume();
    target = socket;
  };
  await withProxy({ rules, onConnection }, async ({ port, log }) => {
    const client = await rawClient(port);
    await until(() => target !== undefined);
    const reply = encodeMessage({ type: 'dht-get-reply', key: key(1), content: Buffer.alloc(50) });
    (target as Socket).write(reply.subarray(0, 30));
    assert.equal(await readBytes(client, 30), reply.subarray(0, 30));
    client.write(encodeMessage(get(1)));
    await until(() => log().some(({ type }) => type === 'dht-get'));
    (target as Socket).write(reply.subarray(30));
    const rest = Buffer.concat([reply.subarray(30), encodeMessage(error)]);
    assert.equal(await readBytes(client, rest.length), rest);
    client.destroy();
  });
});

for (const [place, expected] of [
  ['before', 36],
  ['inside', 36 + 18],
  ['after', 72],
] as const) {
  test(`cuts by a reset ${place} a message; the other connections go on`, () =>
    withProxy({ rules: [{ ...toTarget, action: 'cut', place, after: 1, times: 1 }] }, async (bench) => {
      const other = await rawClient(bench.port);
      await until(() => bench.accepted.length === 1);
      const client = createConnection({ host: '127.0.0.1', port: bench.port });
      const errors: string[] = [];
      client.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
      client.resume();
      await until(() => bench.accepted.length === 2);
      let got = 0;
      const target = bench.accepted[1] as Socket;
      target.unpipe();
      target.on('data', (chunk: Buffer) => {
        got += chunk.length;
      });
      target.resume();
      for (const message of gets(3)) client.write(encodeMessage(message));
      // Data and a reset right behind it are an end for whoever only reads.
      const over = (socket: Socket) =>
        new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
      await Promise.all([over(client), over(target)]);
      assert.equal(errors, ['ECONNRESET']);
      assert.is(got, expected);
      other.write(encodeMessage(get(1)));
      assert.is((await readBytes(other, 36)).length, 36);
      other.destroy();
    }));
}

test('cuts by an orderly end too', () =>
  withProxy({ rules: [{ ...toTarget, action: 'cut', how: 'end', after: 1 }] }, async ({ port, log }) => {
    const client = await rawClient(port);
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    client.write(encodeMessage(get(1)));
    assert.is((await readBytes(client, 36)).length, 36);
    client.write(encodeMessage(get(2)));
    assert.is((await bytesUntilEnd(client)).length, 0);
    assert.equal(errors, []);
    assert.ok(log().some(({ event, how }) => event === 'cut' && how === 'end'));
  }));

test('malformed messages are a kind of their own, and in the log by their bytes', () =>
  withProxy({ rules: [{ ...toTarget, action: 'drop', types: ['malformed'] }] }, async ({ port, log }) => {
    const foreign = encodeMessage({ type: 'kx-destroy', pseudoIdentity: key(1) });
    const back = await exchange(port, [get(1), Buffer.from('000501f500', 'hex'), foreign, get(2)]);
    assert.equal(fillsOf(back), [1, 2]);
    const malformed = log().filter(({ event }) => event === 'malformed');
    assert.equal(
      malformed.map(({ hex, reason }) => [hex, reason]),
      [
        ['000501f500', 'DHT GET must have 36 bytes, has 5'],
        [foreign.toString('hex'), 'kx-destroy is no message of the dht API'],
      ],
    );
  }));

/** What became of the same traffic: messages that came back, and what the log says of rules. */
async function run(seed: number): Promise<unknown> {
  const rules = [
    { name: 'drop', action: 'drop', direction: 'to-target', probability: 0.2 },
    { name: 'twice', action: 'duplicate', direction: 'to-client', probability: 0.2 },
    { name: 'late', action: 'delay', direction: 'to-client', delayMs: 0, jitterMs: 3, probability: 0.3 },
  ];
  let result: unknown;
  await withProxy({ rules, seed }, async (bench) => {
    const backs: number[][] = [];
    for (let turn = 0; turn < 3; turn++) backs.push(fillsOf(await exchange(bench.port, gets(60))));
    const lines = bench.log().filter(({ event }) => event === 'message');
    const told = (direction: string) =>
      lines.filter((line) => line.direction === direction).map((line) => [line.connection, line.rules ?? []]);
    result = [backs, told('to-target'), told('to-client')];
  });
  return result;
}

test('the same seed and the same traffic give the same run, another seed another', async () => {
  const first = await run(11);
  assert.equal(await run(11), first);
  assert.not.equal(await run(12), first);
});

async function withControl(bench: ProxyBench, work: (client: ControlClient) => Promise<void>): Promise<void> {
  const client = await ControlClient.connect(bench.file('control.sock'));
  try {
    await work(client);
  } finally {
    client.close();
  }
}

test('rules are added, listed, changed and removed while a connection is up', () =>
  withProxy({}, (bench) =>
    withControl(bench, async (control) => {
      const client = await rawClient(bench.port);
      const ask = async (fill: number) => {
        client.write(encodeMessage(get(fill)));
        await until(() => bench.log().filter(({ type }) => type === 'dht-get').length > 0);
      };
      await ask(1);
      assert.equal(fillsOf(await readBytes(client, 36)), [1]);
      await control.request('add', { ...toTarget, action: 'drop', types: ['dht-get'] });
      client.write(Buffer.concat([encodeMessage(get(2)), encodeMessage({ type: 'dht-trace', key: key(3) })]));
      assert.equal(fillsOf(await readBytes(client, 36)), [3]);
      const [listed] = (await control.request('list')) as { applied: number }[];
      assert.is(listed?.applied, 1);
      await control.request('change', { name: 'r', fields: { types: ['dht-trace'] } });
      client.write(Buffer.concat([encodeMessage({ type: 'dht-trace', key: key(4) }), encodeMessage(get(5))]));
      assert.equal(fillsOf(await readBytes(client, 36)), [5]);
      await control.request('remove', { name: 'r' });
      assert.equal(await control.request('list'), []);
      client.write(encodeMessage({ type: 'dht-trace', key: key(6) }));
      assert.equal(fillsOf(await readBytes(client, 36)), [6]);
      const status = (await control.request('status')) as Record<string, unknown>;
      assert.equal([status.api, status.seed, status.open, status.accepted], ['dht', 1, 1, 1]);
      client.destroy();
    }),
  ));

test('a control client that makes mistakes is told so, and nothing changes', () =>
  withProxy({ rules: [{ ...toTarget, action: 'drop' }] }, (bench) =>
    withControl(bench, async (control) => {
      const code = (verb: string, args?: unknown) =>
        control.request(verb, args).then(
          () => 'done',
          (error: PeerError) => error.code,
        );
      assert.is(await code('add', { name: 'x' }), 'proxy-rules');
      assert.is(await code('add', { ...toTarget, action: 'drop' }), 'exists');
      assert.is(await code('remove', { name: 'x' }), 'unknown-rule');
      assert.is(await code('remove'), 'arguments');
      assert.is(await code('change', { name: 'r', fields: { action: 'delay' } }), 'proxy-rules');
      assert.is(((await control.request('list')) as unknown[]).length, 1);
    }),
  ));

test('a proxy that is closed resets its connections and frees its port', async () => {
  let port = 0;
  await withProxy({}, async (bench) => {
    port = bench.port;
    const client = await rawClient(port);
    await until(() => bench.accepted.length === 1);
    const closed = new Promise((resolve) => client.once('close', resolve));
    void bench.session.close();
    await closed;
  });
  const [error] = await once(createConnection({ host: '127.0.0.1', port }), 'error');
  assert.is((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
});

test.run();
