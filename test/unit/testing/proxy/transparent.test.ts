/** Role: without rules that concern it, whatever goes through the proxy comes out as it came. */

import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FrameFollower } from '../../../../src/testing/proxy/frames.js';
import { MOST_QUEUED_BYTES } from '../../../../src/testing/proxy/outlet.js';
import { encodeMessage } from '../../../../src/wire/message.js';
import { bytesUntilEnd, rawClient, readBytes } from '../../../support/api-bench.js';
import { exchange, get, key, until, withProxy } from './proxy-bench.js';

const concerned = { name: 'never', action: 'drop', probability: 0 };

/** Messages, malformed ones, and bytes that are none, in pieces of any size. */
const stream = fc
  .array(
    fc.oneof(
      fc.nat(255).map((fill) => encodeMessage(get(fill))),
      fc.nat(60_000).map((size) => {
        const content = Buffer.alloc(size, size);
        return encodeMessage({ type: 'dht-put', key: key(1), ttlSeconds: 1, replication: 1, content });
      }),
      fc.constant(Buffer.from('000501f500', 'hex')),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));
const pieces = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 20 });

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

const test = suite('proxy transparency');

test('what follows messages in a stream hands on all bytes in order, held or not', () => {
  fc.assert(
    fc.property(stream, pieces, fc.boolean(), fc.boolean(), (bytes, sizes, holdAll, holdSome) => {
      const out: Buffer[] = [];
      const frames: Buffer[] = [];
      const follower = new FrameFollower({
        holds: (type) => holdAll || (holdSome && (type === undefined || type === 501)),
        onPiece: (piece) => out.push(Buffer.from(piece)),
        onFrame: (frame, held) => {
          frames.push(frame);
          if (held) out.push(frame);
        },
        onStray: (stray) => frames.push(stray),
      });
      for (const piece of cut(bytes, sizes)) follower.push(Buffer.from(piece));
      follower.end();
      assert.ok(Buffer.concat(out).equals(bytes));
      assert.ok(Buffer.concat(frames).equals(bytes));
    }),
    { numRuns: 300 },
  );
});

for (const rules of [[], [concerned]]) {
  const how = rules.length === 0 ? 'without rules' : 'with a rule that concerns all and applies to none';
  test(`any bytes in any pieces come back from an echo, ${how}`, () =>
    withProxy({ rules }, (bench) =>
      fc.assert(
        fc.asyncProperty(stream, pieces, async (bytes, sizes) => {
          assert.ok((await exchange(bench.port, [...cut(bytes, sizes)])).equals(bytes));
        }),
        { numRuns: 25 },
      ),
    ));
}

test('a half message goes on at once where no rule concerns it', () =>
  withProxy({ rules: [{ name: 'r', action: 'drop', types: ['dht-put'] }] }, async (bench) => {
    const client = await rawClient(bench.port);
    const frame = encodeMessage(get(1));
    client.write(frame.subarray(0, 20));
    assert.equal(await readBytes(client, 20), frame.subarray(0, 20));
    client.write(frame.subarray(20));
    assert.equal(await readBytes(client, 16), frame.subarray(20));
    client.destroy();
  }));

test('an end of one side goes on, and the other side may still speak', async () => {
  let target: Socket | undefined;
  const onConnection = (socket: Socket) => {
    target = socket;
    socket.resume();
  };
  await withProxy({ onConnection }, async (bench) => {
    const client = await rawClient(bench.port);
    client.allowHalfOpen = true;
    await until(() => target !== undefined);
    const ended = once(target as Socket, 'end');
    client.end(encodeMessage(get(1)));
    await ended;
    (target as Socket).write('still here');
    assert.equal(await readBytes(client, 10), Buffer.from('still here'));
    (target as Socket).end();
    assert.is((await bytesUntilEnd(client)).length, 0);
    await until(() => bench.log().at(-1)?.event === 'close');
    assert.equal(
      bench.log().map(({ event, direction }) => [event, direction]),
      [
        ['open', undefined],
        ['message', 'to-target'],
        ['end', 'to-target'],
        ['stray', 'to-client'],
        ['end', 'to-client'],
        ['close', undefined],
      ],
    );
  });
});

test('a reset of one side goes on as a reset, in both directions', async () => {
  for (const by of ['client', 'target'] as const) {
    await withProxy({ onConnection: (socket) => void socket.resume() }, async (bench) => {
      const client = await rawClient(bench.port);
      await until(() => bench.accepted.length === 1);
      const target = bench.accepted[0] as Socket;
      const [breaks, feels] = by === 'client' ? [client, target] : [target, client];
      const felt = new Promise((resolve) => feels.on('close', resolve));
      const errors: string[] = [];
      feels.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
      breaks.resetAndDestroy();
      await felt;
      assert.equal(errors, ['ECONNRESET']);
      await until(() => bench.log().at(-1)?.event === 'close');
      assert.equal(
        bench
          .log()
          .filter(({ event }) => event === 'reset')
          .map((line) => line.by),
        [by],
      );
    });
  }
});

test('a reset right behind a message is no orderly end', () =>
  withProxy({ onConnection: (socket) => void socket.resume() }, async (bench) => {
    const client = await rawClient(bench.port);
    await until(() => bench.accepted.length === 1);
    client.write(encodeMessage(get(1)), () => client.resetAndDestroy());
    await until(() => bench.log().at(-1)?.event === 'close');
    assert.equal(
      bench.log().map(({ event }) => event),
      ['open', 'message', 'reset', 'close'],
    );
  }));

test('a target that nobody serves is a reset, with a line in the log', () =>
  withProxy({}, async (bench) => {
    await bench.closeTarget();
    const client = createConnection({ host: '127.0.0.1', port: bench.port });
    const errors: string[] = [];
    client.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
    await new Promise((resolve) => client.on('close', resolve));
    assert.equal(errors, ['ECONNRESET']);
    await until(() => bench.log().at(-1)?.event === 'close');
    assert.match(bench.log()[1].reason, /ECONNREFUSED/);
  }));

/** Sends PUTs of 60 044 bytes as long as they are taken, until nothing moves any more. */
async function sendUntilStuck(client: Socket, total: number): Promise<void> {
  const content = Buffer.alloc(60_000, 5);
  const put = encodeMessage({ type: 'dht-put', key: key(1), ttlSeconds: 1, replication: 1, content });
  let left = total;
  const pump = () => {
    while (left > 0) {
      left -= 1;
      if (!client.write(put)) return;
    }
  };
  client.on('drain', pump);
  pump();
  const gone = () => client.bytesWritten - client.writableLength;
  for (let before = -1; before !== gone(); ) {
    before = gone();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

const readBy = (log: { event: string }[]) => log.filter(({ event }) => event === 'message').length;

test('what a slow reader does not take waits with the sender, not here', async () => {
  const total = 1_000;
  await withProxy({ rules: [concerned], onConnection: (socket) => void socket.pause() }, async (bench) => {
    const client = await rawClient(bench.port);
    await sendUntilStuck(client, total);
    const target = bench.accepted[0] as Socket;
    const seen = readBy(bench.log());
    assert.ok(seen < total / 2, `the proxy has read ${seen} of ${total} messages`);
    let got = 0;
    target.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    target.resume();
    await until(() => got >= 60_044 * total);
    assert.is(got, 60_044 * total);
    client.destroy();
  });
});

test('what is delayed is bounded, and the rest waits with the sender', async () => {
  const rules = [{ name: 'r', action: 'delay', delayMs: 3_600_000 }];
  await withProxy({ rules }, async (bench) => {
    const client = await rawClient(bench.port);
    await sendUntilStuck(client, 1_000);
    const seen = readBy(bench.log());
    assert.ok(seen >= 1 && seen * 60_044 <= MOST_QUEUED_BYTES + 2 * 65_536, `it has read ${seen} messages`);
    client.destroy();
  });
});

test.run();
