import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BulkCallbacks } from '../../../src/dht/bulk.js';
import type { Contact } from '../../../src/dht/contact.js';
import { ContentFetches } from '../../../src/dht/content-fetches.js';
import type { Network } from '../../../src/dht/network.js';
import { PartialContents } from '../../../src/dht/partial-contents.js';
import type { ContentPart, RpcRequest } from '../../../src/dht/rpc-message.js';
import { contentHash, digestOf } from '../../../src/dht/store.js';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';

const test = suite('dht contents over streams');
const key = randomBytes(32);
const part = (content: Buffer, offset: number, bytes: number): ContentPart => ({
  hash: contentHash(content),
  totalBytes: content.length,
  offset,
  bytes: content.subarray(offset, offset + bytes),
});
const holder = (id: string) => ({ id }) as Contact;

type Fetch = RpcRequest & { kind: 'fetch' };

/** A network in which `serve` says what becomes of each fetch. */
function fetches(serve: (contact: Contact, request: Fetch, on: BulkCallbacks) => void) {
  const clock = new VirtualClock();
  const request = (contact: Contact, one: RpcRequest, on: BulkCallbacks) => serve(contact, one as Fetch, on);
  const network = {
    parts: { clock, bulk: { request } },
    get now() {
      return clock.now();
    },
  } as unknown as Network;
  const got: Buffer[] = [];
  let idle = 0;
  const all = new ContentFetches(
    network,
    key,
    (content) => got.push(content),
    () => {
      idle += 1;
    },
  );
  return { all, got, clock, idle: () => idle };
}

test('parts make a content, in order only, and a part of the middle again does no harm', () => {
  const content = randomBytes(20_000);
  const got: Buffer[] = [];
  const parts = new PartialContents(new Map(), (whole) => got.push(whole));
  assert.is(parts.add(part(content, 8_192, 8_192)), 'ignored');
  assert.is(parts.add(part(content, 0, 8_192)), 'taken');
  assert.is(parts.add(part(content, 4_000, 8_192)), 'taken');
  assert.equal(parts.held(), [{ hash: contentHash(content), bytes: 12_192 }]);
  assert.is(parts.add(part(content, 12_000, 8_000)), 'complete');
  assert.ok(got[0]?.equals(content));
  assert.is(parts.add(part(content, 0, 8_192)), 'ignored');
  assert.is(got.length, 1);
});

test('an empty content is one too, and one that is longer than any may be is not begun', () => {
  const got: Buffer[] = [];
  const parts = new PartialContents(new Map(), (whole) => got.push(whole));
  assert.is(parts.add(part(Buffer.alloc(0), 0, 0)), 'complete');
  const huge = { ...part(Buffer.of(1), 0, 1), totalBytes: 65_492 };
  assert.is(parts.add(huge), 'ignored');
  assert.equal(got, [Buffer.alloc(0)]);
});

test('a holder that begins contents without end is cut off', () => {
  const parts = new PartialContents(new Map(), () => {});
  let taken = 0;
  for (let i = 0; i < 100; i++) if (parts.add(part(randomBytes(65_491), 0, 60_000)) === 'taken') taken += 1;
  assert.is(taken, 2);
});

test('a slow holder is asked again for the rest only', () => {
  const content = randomBytes(60_000);
  const asked: number[] = [];
  const { all, got, idle } = fetches((_, request, on) => {
    const from = request.held[0]?.bytes ?? 0;
    asked.push(from);
    on.onAnswer({ kind: 'part', ...part(content, from, 20_000) });
    if (from + 20_000 < content.length) on.onFailure();
    else on.onAnswer({ kind: 'end' });
  });
  all.noteHolder(holder('slow'), digestOf([contentHash(content)]) as Buffer);
  assert.equal(asked, [0, 20_000, 40_000]);
  assert.ok(got[0]?.equals(content));
  assert.ok(!all.running && idle() > 0);
});

test('a holder that sends nothing is not asked again, another one is', () => {
  const content = randomBytes(3_000);
  const asked: string[] = [];
  const { all, got } = fetches(({ id }, _, on) => {
    asked.push(id);
    if (id === 'dead') return on.onFailure();
    on.onAnswer({ kind: 'part', ...part(content, 0, 3_000) });
    on.onAnswer({ kind: 'end' });
  });
  const digest = digestOf([contentHash(content)]) as Buffer;
  all.noteHolder(holder('dead'), digest);
  all.noteHolder(holder('good'), digest);
  all.noteHolder(holder('spare'), digest);
  assert.equal(asked, ['dead', 'good']);
  assert.is(got.length, 1);
});

test('neither wrong bytes, nor a wrong length, nor an early end of a liar keep back what an honest holder has', () => {
  const content = randomBytes(30_000);
  const honest = (request: Fetch, on: BulkCallbacks) => {
    const from = request.held.find(({ hash }) => hash.equals(contentHash(content)))?.bytes ?? 0;
    on.onAnswer({ kind: 'part', ...part(content, from, 30_000) });
    on.onAnswer({ kind: 'end' });
  };
  const lies: Record<string, (on: BulkCallbacks) => void> = {
    bytes: (on) => on.onAnswer({ kind: 'part', ...part(content, 0, 10_000), bytes: randomBytes(10_000) }),
    length: (on) => on.onAnswer({ kind: 'part', ...part(content, 0, 1), totalBytes: 29_999 }),
    nothing: () => {},
    other: (on) => {
      const other = randomBytes(10);
      on.onAnswer({ kind: 'part', ...part(other, 0, 10) });
    },
  };
  for (const [name, lie] of Object.entries(lies)) {
    const { all, got } = fetches(({ id }, request, on) => {
      if (id === 'honest') return honest(request, on);
      lie(on);
      on.onAnswer({ kind: 'end' });
    });
    const digest = digestOf([contentHash(content)]) as Buffer;
    all.noteHolder(holder('liar'), digest);
    all.noteHolder(holder('honest'), digest);
    assert.ok(
      got.some((one) => one.equals(content)),
      name,
    );
    assert.ok(!all.running, name);
  }
});

test('whoever has a digest of his own for each of many sets leaves room for an honest one', () => {
  const content = randomBytes(3_000);
  const waiting: BulkCallbacks[] = [];
  const { all, got } = fetches(({ id }, _, on) => {
    if (id !== 'honest') {
      waiting.push(on);
      return;
    }
    on.onAnswer({ kind: 'part', ...part(content, 0, 3_000) });
    on.onAnswer({ kind: 'end' });
  });
  for (let i = 0; i < 30; i++) all.noteHolder(holder(`liar ${i}`), randomBytes(16));
  all.noteHolder(holder('honest'), digestOf([contentHash(content)]) as Buffer);
  assert.is(got.length, 0);
  while (waiting.length > 0) waiting.shift()?.onFailure();
  assert.is(got.length, 1);
});

test('a holder that brings a byte at a time keeps nobody for ever', async () => {
  const content = randomBytes(60_000);
  const { all, clock, idle } = fetches((_, request, on) => {
    clock.setTimer(3_000, () => {
      on.onAnswer({ kind: 'part', ...part(content, request.held[0]?.bytes ?? 0, 1) });
      on.onFailure();
    });
  });
  all.noteHolder(holder('drip'), randomBytes(16));
  assert.ok(all.running);
  await clock.advance(21_000);
  assert.ok(!all.running && idle() > 0);
});

test.run();
