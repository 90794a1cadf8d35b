/** Role: what holds for storing and getting (Spec 3.1, 3.1.1, 3.1.2, 3.1.4, 3.1.6). Not here: TRACE (trace-checks.ts), what holds for a KX too. */

import { randomBytes } from 'node:crypto';
import { type ApiMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../../wire/message.js';
import type { Bench } from './bench.js';
import { describe } from './bench.js';
import { type Check, expect } from './check.js';

const MAX_TTL_SECONDS = 43_200;
const PUT_HEAD_BYTES = 44;
const RESERVED_AT = 39;
const COMMON_TTL_SECONDS = 600;
const POLL_MS = 100;

interface PutOptions {
  readonly ttlSeconds?: number;
  readonly replication?: number;
}

const check =
  (level: Check['level']) =>
  (address: string, text: string, run: Check['run']): Check => ({
    address: `dht/${address}`,
    level,
    text,
    run,
  });
const required = check('required');
const recommended = check('recommended');

export const DHT_CHECKS: readonly Check[] = [
  required('3.1/256-bit-keys', 'keys have 256 bits, all of which count', keysDiffer),
  required('3.1/several-contents', 'several contents can be stored under the same key', async (bench) => {
    const contents = [randomBytes(20), randomBytes(300), randomBytes(20)];
    await putAndGet(bench, contents);
  }),
  required('3.1/found-by-others', 'a content can be found through the DHT of every peer', async (bench) => {
    const [key, content, other] = [bench.randomId(), randomBytes(500), bench.other()];
    await put(bench, key, content);
    await found(other, key, [content]);
  }),
  required(
    '3.1/finds-from-others',
    'contents that several peers have stored under a key are all found',
    async (bench) => {
      const [key, own, theirs, other] = [bench.randomId(), randomBytes(100), randomBytes(100), bench.other()];
      await put(bench, key, own);
      await put(other, key, theirs);
      await found(bench, key, [own, theirs]);
    },
  ),
  required('3.1/ttl-ends-for-others', 'the TTL of a content counts wherever it is kept', async (bench) =>
    ttlEnds(bench, bench.other()),
  ),
  required('3.1.1/no-answer', 'PUT has no answer where the content was stored', async (bench) => {
    const key = bench.randomId();
    const client = await bench.connect();
    const content = randomBytes(40);
    await client.send(encodeMessage(putOf(key, content, {})));
    await found(bench, key, [content]);
    await bench.nothingComes(client, 'after a PUT whose content is there');
  }),
  required('3.1.1/any-bytes', 'a content is any bytes, and comes back as it was', (bench) =>
    putAndGet(bench, [Buffer.from(Array.from({ length: 1024 }, (_, index) => index & 0xff))]),
  ),
  required('3.1.1/largest-content', 'a message has up to 65 535 bytes, so a content up to 65 491', (bench) =>
    putAndGet(bench, [randomBytes(MAX_MESSAGE_BYTES - PUT_HEAD_BYTES)]),
  ),
  recommended('3.1.1/empty-content', 'a content of 0 bytes is a content', (bench) =>
    putAndGet(bench, [Buffer.alloc(0)]),
  ),
  required('3.1.1/ttl-ends', 'a content is kept for its TTL at most', (bench) => ttlEnds(bench, bench)),
  required('3.1.1/ttl-maximum', 'a TTL of 43 200 s, the maximum, can be asked for', (bench) =>
    putAndGet(bench, [randomBytes(40)], { ttlSeconds: MAX_TTL_SECONDS }),
  ),
  recommended(
    '3.1.1/ttl-above-maximum',
    'a TTL above the maximum is no violation of the API',
    async (bench) => {
      const client = await bench.connect();
      await client.send(
        encodeMessage(putOf(bench.randomId(), randomBytes(40), { ttlSeconds: MAX_TTL_SECONDS + 1 })),
      );
      await client.send(encodeMessage(bench.probe()));
      await bench.message(client, 'a request after a PUT with a TTL of 43 201 s');
    },
  ),
  required('3.1.1/replication-maximum', 'a replication of 255, the maximum, can be asked for', (bench) =>
    putAndGet(bench, [randomBytes(40)], { replication: 255 }),
  ),
  recommended('3.1.1/replication-zero', 'a replication of 0 leaves it to the module', (bench) =>
    putAndGet(bench, [randomBytes(40)], { replication: 0 }),
  ),
  recommended('3.1.1/reserved-ignored', 'the reserved bytes of PUT may be anything', async (bench) => {
    const [key, content] = [bench.randomId(), randomBytes(40)];
    const bytes = encodeMessage(putOf(key, content, {}));
    bytes.fill(0xa5, RESERVED_AT, PUT_HEAD_BYTES);
    const client = await bench.connect();
    await client.send(bytes);
    await found(bench, key, [content]);
    expect(!client.isClosed, 'the connection was closed');
  }),
  required('3.1.4/names-key', 'GET REPLY has the key that was asked for', async (bench) => {
    const key = bench.randomId();
    await putAndGet(bench, [randomBytes(40)], {}, key);
    const reply = await bench.askFor({ type: 'dht-get', key }, 'dht-get-reply');
    expect(reply.key.equals(key), `expected ${key.toString('hex')}, got ${reply.key.toString('hex')}`);
  }),
  required('3.1.4/a-reply-each', 'each content of a key comes in a GET REPLY of its own, once', aReplyEach),
  required('3.1.6/error-for-nothing', 'a GET that finds nothing is answered with ERROR', async (bench) => {
    const answer = await bench.ask({ type: 'dht-get', key: bench.randomId() });
    expect(answer.type === 'dht-error', `expected ERROR, got ${answer.type}`);
  }),
];

function putOf(key: Buffer, content: Buffer, options: PutOptions): ApiMessage {
  return { type: 'dht-put', key, content, ttlSeconds: COMMON_TTL_SECONDS, replication: 3, ...options };
}

async function put(bench: Bench, key: Buffer, content: Buffer, options: PutOptions = {}): Promise<void> {
  const client = await bench.connect();
  await client.send(encodeMessage(putOf(key, content, options)));
}

async function putAndGet(
  bench: Bench,
  contents: readonly Buffer[],
  options: PutOptions = {},
  key: Buffer = bench.randomId(),
): Promise<void> {
  for (const content of contents) await put(bench, key, content, options);
  await found(bench, key, contents);
}

/** Fails the check unless all the contents come to be found under the key. */
async function found(bench: Bench, key: Buffer, contents: readonly Buffer[]): Promise<void> {
  const missing = (got: readonly Buffer[]) =>
    contents.filter((content) => !got.some((other) => other.equals(content)));
  const got = await bench.getUntil(key, (so) => missing(so).length === 0, contents.length);
  const sizes = got.map(({ length }) => `${length} bytes`).join(', ') || 'nothing';
  const lacking = missing(got);
  expect(
    lacking.length === 0,
    `${lacking.length} of ${contents.length} contents did not come back (${lacking[0]?.length} bytes); got ${sizes}`,
  );
}

async function keysDiffer(bench: Bench): Promise<void> {
  const key = bench.randomId();
  const [first, last] = [0, 31].map((at) => {
    const other = Buffer.from(key);
    other.writeUInt8(other.readUInt8(at) ^ 1, at);
    return other;
  }) as [Buffer, Buffer];
  const content = randomBytes(40);
  await put(bench, key, content);
  await found(bench, key, [content]);
  for (const other of [first, last]) {
    const got = await bench.get(other, 1);
    expect(got.length === 0, 'a key that differs in one bit gave the same content');
  }
}

/** PUT at one, GET at another, or the same. */
async function ttlEnds(bench: Bench, getter: Bench): Promise<void> {
  const { ttlSeconds, ttlGraceMs } = bench.options;
  const [key, content] = [bench.randomId(), randomBytes(40)];
  await put(bench, key, content, { ttlSeconds });
  const since = performance.now();
  await found(getter, key, [content]);
  for (;;) {
    const contents = await getter.get(key, 1);
    if (contents.length === 0) return;
    const afterMs = performance.now() - since - ttlSeconds * 1000;
    expect(
      afterMs < ttlGraceMs,
      `a content with a TTL of ${ttlSeconds} s is there ${Math.round(afterMs)} ms later`,
    );
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function aReplyEach(bench: Bench): Promise<void> {
  const contents = [randomBytes(10), randomBytes(500)];
  const key = bench.randomId();
  for (const content of contents) await put(bench, key, content);
  const isContent = (bytes: Buffer) => contents.some((content) => content.equals(bytes));
  // Whatever else comes is a fault of its own; that all are found is another requirement.
  const got = await bench.getUntil(key, (so) => so.length > 1 || so.some((bytes) => !isContent(bytes)), 2);
  const strange = got.find((bytes) => !isContent(bytes));
  expect(strange === undefined, `a reply has ${strange?.length} bytes of content that nobody has stored so`);
  const client = await bench.connect();
  await client.send(encodeMessage({ type: 'dht-get', key }));
  const seen = new Set<string>();
  for (;;) {
    const arrival = await client.next(seen.size === 0 ? bench.options.patienceMs : bench.options.quietMs * 2);
    if (arrival.kind !== 'frame') {
      expect(seen.size > 0, `expected GET REPLY, ${describe(arrival)}`);
      return;
    }
    const content = arrival.frame.subarray(36).toString('hex');
    expect(!seen.has(content), 'the same content came twice');
    seen.add(content);
  }
}
