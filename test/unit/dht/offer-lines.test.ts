/** Offers of contents: a few at a time to whoever answers, and no more to who does not. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import type { Network } from '../../../src/dht/network.js';
import { OfferLines } from '../../../src/dht/offer-lines.js';
import type { RpcCallbacks } from '../../../src/dht/rpc.js';
import type { StoreVerdict } from '../../../src/dht/rpc-message.js';
import type { StoredContent } from '../../../src/dht/stored-content.js';

const MANY = 1_000;
const test = suite('offer lines');

const contactNamed = (id: string) => ({ id }) as Contact;
const content = { key: Buffer.alloc(32), content: Buffer.of(1), expiresAtMs: 1_000_000 } as StoredContent;

/** A network of which the test gives the answers, one call of `next` each. */
function network(): {
  lines: OfferLines;
  asked: RpcCallbacks[];
  moving: ((verdict: StoreVerdict | null) => void)[];
} {
  const asked: RpcCallbacks[] = [];
  const moving: ((verdict: StoreVerdict | null) => void)[] = [];
  const fake = {
    now: 0,
    parts: { roundTrips: { smoothedMs: null } },
    request: (_: Contact, __: unknown, callbacks: RpcCallbacks) => asked.push(callbacks),
    storeAt: (_: Contact, __: unknown, done: (verdict: StoreVerdict | null) => void) => moving.push(done),
  };
  return { lines: new OfferLines(fake as unknown as Network), asked, moving };
}

test('who does not answer is offered one content of a thousand, and none of them later', () => {
  const { lines, asked } = network();
  const silent = contactNamed('silent');
  for (let i = 0; i < MANY; i++) lines.add(silent, content);
  assert.is(asked.length, 1);
  asked[0]?.onFailure('timeout');
  assert.is(asked.length, 1);
  lines.add(silent, content);
  assert.is(asked.length, 2, 'what comes later is a line of its own');
});

test('who answers is offered everything, eight at a time', () => {
  const { lines, asked } = network();
  for (let i = 0; i < MANY; i++) lines.add(contactNamed('alive'), content);
  let answered = 0;
  while (answered < asked.length) {
    assert.ok(asked.length - answered <= 8);
    asked[answered++]?.onAnswer({ kind: 'stored', verdict: 'stored' }, false);
  }
  assert.is(lines.offers, MANY);
  assert.is(lines.moved, 0);
});

test('what is wanted is moved, and counts as under way until it is there', () => {
  const { lines, asked, moving } = network();
  for (let i = 0; i < MANY; i++) lines.add(contactNamed('empty'), content);
  asked[0]?.onAnswer({ kind: 'stored', verdict: 'wanted' }, false);
  assert.is(asked.length, 8, 'seven more beside the one that is moved');
  for (let i = 1; i < 8; i++) asked[i]?.onAnswer({ kind: 'stored', verdict: 'wanted' }, false);
  assert.is(asked.length, 8);
  moving[3]?.('stored');
  assert.is(asked.length, 9);
  assert.is(lines.moved, 8);
});

test('one silent node keeps nobody else from being offered anything', () => {
  const { lines, asked } = network();
  for (let i = 0; i < MANY; i++) lines.add(contactNamed('silent'), content);
  lines.add(contactNamed('alive'), content);
  assert.is(asked.length, 2);
});

test('nothing is sent once it is closed', () => {
  const { lines, asked } = network();
  for (let i = 0; i < MANY; i++) lines.add(contactNamed('alive'), content);
  lines.close();
  asked[0]?.onAnswer({ kind: 'stored', verdict: 'wanted' }, false);
  lines.add(contactNamed('other'), content);
  assert.is(asked.length, 1);
});

test.run();
