/** Role: limits of the API server, and its clients. */

import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../../src/api/client.js';
import { dhtGet, dhtPut, dhtTrace } from '../../../src/api/dht-client.js';
import { KxClient } from '../../../src/api/kx-client.js';
import type { ApiConnection } from '../../../src/api/server.js';
import { ApiServer, DHT_ACCEPTS } from '../../../src/api/server.js';
import type { PeerError } from '../../../src/errors.js';
import { type ApiMessage, encodeMessage } from '../../../src/wire/message.js';
import { bytesUntilEnd, rawClient, readBytes, recordingLog, startServer } from '../../support/api-bench.js';

const KEY = Buffer.alloc(32, 9);
const OTHER = Buffer.alloc(32, 8);
const GET = encodeMessage({ type: 'dht-get', key: KEY });
const host = '127.0.0.1';
const codeOf = (action: Promise<unknown>) =>
  action.then(
    () => 'ok',
    (error: PeerError) => error.code,
  );

const limits = suite('API server');
limits('an exception in a handler is logged and closes nothing', async () => {
  let calls = 0;
  const { server, port, lines } = await startServer('dht', async (client) => {
    calls += 1;
    if (calls === 1) throw new Error('a bug');
    client.send({ type: 'dht-error', requestType: 501, key: KEY });
  });
  const client = await rawClient(port);
  client.write(GET);
  client.write(GET);
  assert.is((await readBytes(client, 40)).length, 40);
  assert.is(lines.filter(({ level }) => level === 50).length, 1);
  client.destroy();
  await server.close();
});
limits('beyond the most connections a new one is refused while all others are in work', async () => {
  const release: (() => void)[] = [];
  const { server, port } = await startServer(
    'dht',
    async (client) => {
      await new Promise<void>((resolve) => release.push(resolve));
      client.send({ type: 'dht-error', requestType: 501, key: KEY });
    },
    { maxConnections: 2 },
  );
  const busy = await Promise.all([rawClient(port), rawClient(port)]);
  for (const client of busy) client.write(GET);
  while (release.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await bytesUntilEnd(await rawClient(port));
  assert.is(server.counters.connectionsRefused, 1);
  for (const resolve of release) resolve();
  for (const client of busy) assert.is((await readBytes(client, 40)).length, 40);
  for (const client of busy) client.destroy();
  await server.close();
});
limits(
  'a new connection takes the place of a silent one, else of the one that was heard of longest ago',
  async () => {
    const { server, port } = await startServer(
      'dht',
      (client) => void client.send({ type: 'dht-error', requestType: 501, key: KEY }),
      { maxConnections: 3 },
    );
    const ask = async (client: Socket) => {
      client.write(GET);
      return (await readBytes(client, 40)).length;
    };
    const early = await rawClient(port);
    const late = await rawClient(port);
    for (const client of [early, late]) assert.is(await ask(client), 40);
    const silent = await rawClient(port);
    silent.write(GET.subarray(0, 5));
    const third = await rawClient(port);
    assert.is(await ask(third), 40);
    assert.equal(await bytesUntilEnd(silent), Buffer.alloc(0));
    const fourth = await rawClient(port);
    assert.is(await ask(fourth), 40);
    assert.equal(await bytesUntilEnd(early), Buffer.alloc(0));
    for (const client of [late, third, fourth]) assert.is(await ask(client), 40);
    assert.is(server.counters.connectionsDisplaced, 2);
    for (const client of [late, third, fourth]) client.destroy();
    await server.close();
  },
);
limits('what waits for all clients that do not read is bounded: the one with the most goes', async () => {
  const { server, port } = await startServer(
    'dht',
    (client) => {
      for (let count = 0; count < 300; count += 1) {
        client.send({ type: 'dht-get-reply', key: KEY, content: Buffer.alloc(60_000) });
      }
    },
    { maxQueuedBytes: 50_000_000, maxTotalQueuedBytes: 8_000_000 },
  );
  const clients = await Promise.all(Array.from({ length: 4 }, () => rawClient(port)));
  for (const client of clients) {
    client.pause();
    client.write(GET);
  }
  while (server.counters.violations['not-reading'] === 0)
    await new Promise((resolve) => setImmediate(resolve));
  for (const client of clients) client.destroy();
  await server.close();
});
limits('with turns, one that asks once is not kept waiting by one that asks much', async () => {
  const order: number[] = [];
  const { server, port } = await startServer(
    'dht',
    async (client) => {
      order.push(client.id);
      await new Promise((resolve) => setImmediate(resolve));
      client.send({ type: 'dht-error', requestType: 501, key: KEY });
    },
    { maxWorking: 1 },
  );
  const greedy = await rawClient(port);
  greedy.write(Buffer.concat(Array.from({ length: 60 }, () => GET)));
  while (order.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const modest = await rawClient(port);
  modest.write(GET);
  assert.is((await readBytes(modest, 40)).length, 40);
  assert.is((await readBytes(greedy, 60 * 40)).length, 60 * 40);
  assert.ok(order.indexOf(2) > 0 && order.indexOf(2) < 60, `had its turn as number ${order.indexOf(2)}`);
  for (const client of [greedy, modest]) client.destroy();
  await server.close();
});
limits('with turns, a PUT that came whole is done though its client is gone by then', async () => {
  const asked: string[] = [];
  const release: (() => void)[] = [];
  const { server, port } = await startServer(
    'dht',
    async (_, message) => {
      asked.push(message.type);
      await new Promise<void>((resolve) => release.push(resolve));
    },
    { maxWorking: 1 },
  );
  const put = { type: 'dht-put', key: KEY, ttlSeconds: 60, replication: 1 } as const;
  const holder = await rawClient(port);
  holder.write(GET);
  while (release.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const client = await rawClient(port);
  client.write(encodeMessage({ ...put, content: Buffer.alloc(40) }));
  while (server.counters.messagesReceived < 2) await new Promise((resolve) => setImmediate(resolve));
  client.resetAndDestroy();
  while (server.counters.connectionsOpen > 1) await new Promise((resolve) => setImmediate(resolve));
  release.shift()?.();
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  release.shift()?.();
  assert.equal(asked, ['dht-get', 'dht-put']);
  holder.destroy();
  await server.close();
});
limits('a client that does not read is dropped, others are served', async () => {
  let sent = 0;
  const { server, port } = await startServer(
    'dht',
    (client) => {
      while (client.send({ type: 'dht-get-reply', key: KEY, content: Buffer.alloc(60_000) })) sent += 1;
    },
    { maxQueuedBytes: 200_000 },
  );
  const client = await rawClient(port);
  client.pause();
  client.write(GET);
  while (server.counters.violations['not-reading'] === 0)
    await new Promise((resolve) => setImmediate(resolve));
  assert.ok(sent >= 3);
  client.destroy();
  await server.close();
});
limits('of requests that take much memory only a few are in work; the rest waits and is served', async () => {
  let [begun, inWork, most] = [0, 0, 0];
  const { server, port } = await startServer('dht', async () => {
    begun += 1;
    inWork += 1;
    most = Math.max(most, inWork);
    for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
    inWork -= 1;
  });
  const put = { type: 'dht-put', key: KEY, ttlSeconds: 60, replication: 1 } as const;
  const client = await rawClient(port);
  for (let i = 0; i < 20; i += 1) client.write(encodeMessage({ ...put, content: Buffer.alloc(65_491) }));
  while (begun < 20) await new Promise((resolve) => setImmediate(resolve));
  client.destroy();
  await server.close();
  assert.ok(most <= 3, `${most} at a time`);
});
limits('requests in work are bounded; the rest waits and is served', async () => {
  const release: (() => void)[] = [];
  let most = 0;
  let inWork = 0;
  const { server, port } = await startServer(
    'dht',
    async (client) => {
      inWork += 1;
      most = Math.max(most, inWork);
      await new Promise<void>((resolve) => release.push(resolve));
      inWork -= 1;
      client.send({ type: 'dht-error', requestType: 501, key: KEY });
    },
    { maxInFlight: 4 },
  );
  const client = await rawClient(port);
  const pump = setInterval(() => {
    for (const resolve of release.splice(0)) resolve();
  }, 1);
  for (let count = 0; count < 20; count += 1) {
    await new Promise((resolve) => client.write(GET, resolve));
  }
  assert.is((await readBytes(client, 20 * 40)).length, 800);
  assert.ok(most >= 1);
  clearInterval(pump);
  client.destroy();
  await server.close();
});
limits('a client that has shut its sending side still gets the answer', async () => {
  const { server, port } = await startServer('dht', async (client) => {
    await new Promise((resolve) => setImmediate(resolve));
    client.send({ type: 'dht-error', requestType: 501, key: KEY });
  });
  const client = await rawClient(port);
  client.end(GET);
  assert.is((await bytesUntilEnd(client)).length, 40);
  await server.close();
});
limits('a port that is taken is an error with a remedy', async () => {
  const { server, port } = await startServer('dht', () => {});
  const { log } = recordingLog();
  const second = new ApiServer({ module: 'dht', host, port, accepts: DHT_ACCEPTS, onMessage: () => {}, log });
  assert.is(await codeOf(second.listen()), 'address-in-use');
  await second.close();
  await server.close();
});
limits('closing ends all connections', async () => {
  const { server, port } = await startServer('dht', () => {});
  const client = await rawClient(port);
  client.write(GET);
  const ended = bytesUntilEnd(client);
  await server.close();
  await ended;
});
limits.run();

const client = suite('API client');
client('nobody listens', async () => {
  const { server, port } = await startServer('dht', () => {});
  await server.close();
  assert.is(await codeOf(ApiClient.connect({ host, port })), 'api-unreachable');
});
client('messages come through the iterator in order until the end', async () => {
  const { server, port } = await startServer('dht', (connection, message) => {
    assert.ok(message.type === 'dht-get');
    for (let byte = 0; byte < 200; byte += 1) {
      connection.send({ type: 'dht-get-reply', key: KEY, content: Buffer.of(byte) });
    }
    void server.close();
  });
  const api = await ApiClient.connect({ host, port });
  api.send({ type: 'dht-get', key: KEY });
  const bytes: number[] = [];
  for await (const message of api) if (message.type === 'dht-get-reply') bytes.push(message.content[0] ?? -1);
  assert.equal(
    bytes,
    Array.from({ length: 200 }, (_, byte) => byte),
  );
  assert.is(await api.closed, null);
});
client('GET collects contents, ends early where asked, and is empty on ERROR', async () => {
  const { server, port } = await startServer('dht', (connection, message) => {
    if (message.type !== 'dht-get') return;
    if (message.key.equals(OTHER)) {
      connection.send({ type: 'dht-error', requestType: 501, key: OTHER });
      return;
    }
    connection.send({ type: 'dht-get-reply', key: OTHER, content: Buffer.from('not asked for') });
    for (const text of ['a', '', 'c']) {
      connection.send({ type: 'dht-get-reply', key: KEY, content: Buffer.from(text) });
    }
  });
  const found = await dhtGet({ host, port }, KEY, { timeoutMs: 10_000, settleMs: 50 });
  assert.equal(found.map(String), ['a', '', 'c']);
  const first = await dhtGet({ host, port }, KEY, {
    timeoutMs: 10_000,
    settleMs: 9_000,
    onContent: () => true,
  });
  assert.is(String(first[0]), 'a');
  assert.equal(await dhtGet({ host, port }, OTHER, { timeoutMs: 10_000 }), []);
  await server.close();
});
client('a DHT that is silent, or goes away, is told apart from one that has nothing', async () => {
  const { server, port } = await startServer('dht', (connection, message) => {
    if (message.type === 'dht-get' && message.key.equals(OTHER)) connection.close('test');
  });
  assert.is(await codeOf(dhtGet({ host, port }, KEY, { timeoutMs: 30 })), 'timeout');
  assert.is(await codeOf(dhtGet({ host, port }, OTHER, { timeoutMs: 10_000 })), 'api-closed');
  const abort = new AbortController();
  const given = codeOf(dhtGet({ host, port }, KEY, { timeoutMs: 10_000, signal: abort.signal }));
  abort.abort();
  assert.is(await given, 'aborted');
  await server.close();
});
client('PUT resolves without an ERROR and rejects with one; TRACE gives the hops', async () => {
  const hop = { identity: KEY, kxPort: 3001, ipv4: Buffer.of(10, 0, 0, 1), ipv6: null };
  const { server, port } = await startServer('dht', (connection, message) => {
    const { key } = message as { key: Buffer };
    if (key.equals(OTHER)) {
      connection.send({ type: 'dht-error', requestType: message.type === 'dht-put' ? 500 : 502, key });
    } else if (message.type === 'dht-trace') {
      connection.send({ type: 'dht-trace-reply', key, hops: [hop] });
    }
  });
  const put = (key: Buffer) => dhtPut({ host, port }, key, KEY, 60, 0, { errorWindowMs: 30 });
  assert.is(await codeOf(put(KEY)), 'ok');
  assert.is(await codeOf(dhtPut({ host, port }, OTHER, KEY, 60, 0, { errorWindowMs: 9_000 })), 'dht-error');
  assert.equal(await dhtTrace({ host, port }, KEY, 10_000), [hop]);
  assert.is(await codeOf(dhtTrace({ host, port }, OTHER, 10_000)), 'dht-error');
  await server.close();
});
client('a malformed message from a module ends the connection with its own code', async () => {
  const { server, port } = await startServer('dht', () => {});
  await server.close();
  const { createServer } = await import('node:net');
  const rogue = createServer((socket) => socket.end(Buffer.from('0004ffff', 'hex')));
  await new Promise<void>((resolve) => rogue.listen(port, host, resolve));
  const api = await ApiClient.connect({ host, port });
  assert.is((await api.closed)?.code, 'api-violation');
  rogue.close();
});
client.run();

const kx = suite('KX client');
const exchangePoint = { identity: OTHER, kxPort: 3001, ipv4: Buffer.of(10, 0, 0, 1), ipv6: null };
const request = (pseudoIdentity: Buffer, timeoutMs = 10_000) => ({
  hops: 3,
  pseudoIdentity,
  exchangePoint,
  timeoutMs,
});
const ready = (pseudoIdentity: Buffer, byte: number): ApiMessage => ({
  type: 'kx-ready',
  pseudoIdentity,
  ipv4: Buffer.alloc(4, byte),
  ipv6: Buffer.alloc(16),
});
kx('READY and ERROR find the build they belong to', async () => {
  const seen: string[] = [];
  const { server, port } = await startServer('kx', (connection: ApiConnection, message) => {
    seen.push(message.type);
    if (seen.length < 3) return;
    connection.send({ type: 'kx-error', requestType: 601, pseudoIdentity: OTHER });
    connection.send(ready(KEY, 7));
    connection.send(ready(KEY, 0));
  });
  const api = await KxClient.connect({ host, port });
  const incoming = api.buildIncoming(request(KEY));
  const outgoing = api.buildOutgoing(request(KEY));
  const failing = codeOf(api.buildOutgoing(request(OTHER)));
  assert.equal((await incoming).ipv4, Buffer.alloc(4));
  assert.equal((await outgoing).ipv4, Buffer.alloc(4, 7));
  assert.is(await failing, 'kx-error');
  api.close();
  await server.close();
});
kx('a build ends by its timeout and by the end of the connection; DESTROY arrives', async () => {
  const destroyed: Buffer[] = [];
  const { server, port } = await startServer('kx', (connection, message) => {
    if (message.type === 'kx-destroy') {
      destroyed.push(message.pseudoIdentity);
      connection.close('test');
    }
  });
  const api = await KxClient.connect({ host, port });
  assert.is(await codeOf(api.buildOutgoing(request(KEY, 20))), 'timeout');
  const waiting = codeOf(api.buildOutgoing(request(KEY)));
  api.destroy(OTHER);
  assert.is(await waiting, 'kx-closed');
  assert.equal(destroyed, [OTHER]);
  assert.is(await codeOf(api.buildOutgoing(request(KEY))), 'kx-closed');
  await server.close();
});
kx.run();
