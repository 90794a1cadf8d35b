/**
 * Role: API violations (Spec 3, 3.1.6, 3.2.5): one bad connection is closed with its reason in the log, and
 * the others go on; every split of good messages is understood.
 */

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ApiMessage, encodeMessage } from '../../src/wire/message.js';
import { type Bench, bytesUntilEnd, rawClient, readBytes, startServer } from '../support/api-bench.js';

interface Vector {
  readonly comment: string;
  readonly frame: string;
  readonly valid: boolean;
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../../../test/vectors/api-messages.json', import.meta.url), 'utf8'),
) as { vectors: Vector[] };
const typeOf = ({ frame }: Vector) => Number.parseInt(frame.slice(4, 8), 16);
const sizeFits = ({ frame }: Vector) =>
  frame.length >= 8 && Number.parseInt(frame.slice(0, 4), 16) === frame.length / 2;

const KEY = Buffer.alloc(32, 5);
const GET = encodeMessage({ type: 'dht-get', key: KEY });
const REPLY = encodeMessage({ type: 'dht-get-reply', key: KEY, content: Buffer.from('here') });
const BUILD = encodeMessage({
  type: 'kx-build-outgoing',
  hops: 3,
  pseudoIdentity: KEY,
  exchangePoint: { identity: KEY, kxPort: 3001, ipv4: null, ipv6: null },
  extension: Buffer.alloc(0),
});
const READY = encodeMessage({
  type: 'kx-ready',
  pseudoIdentity: KEY,
  ipv4: KEY.subarray(0, 4),
  ipv6: KEY.subarray(0, 16),
});

const answers: Record<'dht' | 'kx', { request: Buffer; reply: Buffer; message: ApiMessage }> = {
  dht: {
    request: GET,
    reply: REPLY,
    message: { type: 'dht-get-reply', key: KEY, content: Buffer.from('here') },
  },
  kx: {
    request: BUILD,
    reply: READY,
    message: { type: 'kx-ready', pseudoIdentity: KEY, ipv4: KEY.subarray(0, 4), ipv6: KEY.subarray(0, 16) },
  },
};

interface Context {
  bench: Bench;
  good: Socket;
}

for (const module of ['dht', 'kx'] as const) {
  const { request, reply, message } = answers[module];
  const accepted = module === 'dht' ? [500, 501, 502] : [600, 601, 603];
  const violations = suite<Context>(`${module} API violations`);
  violations.before(async (context) => {
    context.bench = await startServer(module, (client) => void client.send(message));
    context.good = await rawClient(context.bench.port);
  });
  violations.after(({ bench, good }) => {
    good.destroy();
    return bench.server.close();
  });

  const expectClosed = async ({ bench, good }: Context, bytes: Buffer, kind: string) => {
    const before = bench.lines.length;
    const bad = await rawClient(bench.port);
    bad.write(bytes);
    assert.equal(await bytesUntilEnd(bad), Buffer.alloc(0));
    const warnings = bench.lines.slice(before).filter(({ level }) => level >= 40);
    assert.is(warnings.length, 1);
    assert.is(warnings[0]?.kind, kind);
    assert.ok((warnings[0]?.reason ?? '').length > 0);
    good.write(request);
    assert.equal(await readBytes(good, reply.length), reply);
  };

  for (const vector of vectors.filter((candidate) => !candidate.valid && sizeFits(candidate))) {
    violations(`malformed: ${vector.comment}`, (context) =>
      expectClosed(context, Buffer.from(vector.frame, 'hex'), 'malformed'),
    );
  }
  for (const vector of vectors.filter(
    (candidate) => candidate.valid && !accepted.includes(typeOf(candidate)),
  )) {
    violations(`never received by this module: ${vector.comment}`, (context) =>
      expectClosed(context, Buffer.from(vector.frame, 'hex'), 'unexpected-type'),
    );
  }
  violations('a size below the header', (context) =>
    expectClosed(context, Buffer.from('000301f5', 'hex'), 'malformed'),
  );
  violations('a good message before the bad one is answered', async ({ bench }) => {
    const client = await rawClient(bench.port);
    client.write(Buffer.concat([request, Buffer.from('0004ffff', 'hex'), request]));
    assert.equal(await bytesUntilEnd(client), reply);
  });
  violations('all of them are counted', ({ bench }) => {
    const { violations: counted } = bench.server.counters;
    assert.ok(counted.malformed > 0 && counted['unexpected-type'] > 0);
  });
  violations.run();
}

const framing = suite('framing');
framing('every split of a stream of messages gives the same messages', async () => {
  const seen: string[] = [];
  const { server, port } = await startServer('dht', (client, message) => {
    assert.ok(message.type === 'dht-put');
    seen.push(message.content.toString('hex'));
    client.send({ type: 'dht-error', requestType: 500, key: KEY });
  });
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 }),
        async (contents, cuts) => {
          seen.length = 0;
          const stream = Buffer.concat(
            contents.map((content) =>
              encodeMessage({
                type: 'dht-put',
                key: KEY,
                ttlSeconds: 1,
                replication: 1,
                content: Buffer.from(content),
              }),
            ),
          );
          const client = await rawClient(port);
          client.setNoDelay(true);
          let offset = 0;
          for (let piece = 0; offset < stream.length; piece += 1) {
            const end = offset + (cuts[piece % cuts.length] ?? 1);
            await new Promise((resolve) => client.write(stream.subarray(offset, end), resolve));
            offset = end;
          }
          await readBytes(client, 40 * contents.length);
          client.destroy();
          assert.equal(
            seen,
            contents.map((content) => Buffer.from(content).toString('hex')),
          );
        },
      ),
      { numRuns: 40 },
    );
  } finally {
    await server.close();
  }
});
framing('the largest message goes through', async () => {
  const content = Buffer.alloc(65_491, 0xab);
  const { server, port } = await startServer('dht', (client, message) => {
    if (message.type === 'dht-put')
      client.send({ type: 'dht-get-reply', key: KEY, content: message.content });
  });
  const client = await rawClient(port);
  client.write(encodeMessage({ type: 'dht-put', key: KEY, ttlSeconds: 1, replication: 1, content }));
  assert.equal((await readBytes(client, 36 + content.length)).subarray(36), content);
  client.destroy();
  await server.close();
});
framing('a sender that stops inside a message is closed; one that is idle is not', async () => {
  const { server, port, lines } = await startServer(
    'dht',
    (client) => void client.send(answers.dht.message),
    {
      halfMessageMs: 50,
    },
  );
  const idle = await rawClient(port);
  const slow = await rawClient(port);
  slow.write(GET.subarray(0, 10));
  assert.equal(await bytesUntilEnd(slow), Buffer.alloc(0));
  assert.is(server.counters.violations['half-message'], 1);
  assert.is(lines.filter(({ kind }) => kind === 'half-message').length, 1);
  idle.write(GET);
  assert.equal(await readBytes(idle, REPLY.length), REPLY);
  idle.destroy();
  await server.close();
});
framing('the time for a message does not start anew with each byte', async () => {
  const { server, port } = await startServer('dht', () => {}, { halfMessageMs: 100 });
  const slow = await rawClient(port);
  let sent = 0;
  const timer = setInterval(() => {
    if (sent < GET.length - 1) slow.write(GET.subarray(sent, ++sent));
  }, 10);
  await bytesUntilEnd(slow);
  clearInterval(timer);
  assert.is(server.counters.violations['half-message'], 1);
  await server.close();
});
framing.run();
