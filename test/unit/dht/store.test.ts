import { randomBytes } from 'node:crypto';
import sodium from 'sodium-native';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ContentStore, contentHash, digestOf, KEY_BYTES, MAX_TTL_MS } from '../../../src/dht/store.js';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { decodeSignedValue, encodeSignedValue } from '../../../src/identity/signed-value.js';

const test = suite('dht store');
const NOW = 1_800_000_000_000;

function item(key: Buffer, content: Buffer, ttlMs = 60_000) {
  return { key, content, ttlMs, replication: 3 };
}

function signer() {
  const { publicKey: key, secretKey: secret } = generatePseudoIdentity();
  const sign = (sequence: bigint, payload = 'record', expirySeconds = NOW / 1000 + 3_600) =>
    encodeSignedValue({ sequence, expirySeconds, payload: Buffer.from(payload) }, key, secret);
  return { key, sign };
}

test('several contents of a key live side by side, each until its own end', () => {
  const store = new ContentStore();
  const key = randomBytes(32);
  assert.is(store.put(item(key, Buffer.from('a'), 1_000), 's', NOW), 'stored');
  assert.is(store.put(item(key, Buffer.alloc(0), 2_000), 's', NOW), 'stored');
  assert.is(store.get(key, NOW + 999).length, 2);
  assert.equal(
    store.get(key, NOW + 1_000).map((one) => one.content),
    [Buffer.alloc(0)],
  );
  assert.is(store.get(key, NOW + 2_000).length, 0);
  assert.equal(store.totals, { keys: 0, bytes: 0 });
});

test('only a key with the mark of pseudo-identities signs', () => {
  const [key, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
  sodium.crypto_sign_seed_keypair(key, secret, Buffer.alloc(32, 1));
  const value = { sequence: 1n, expirySeconds: NOW / 1000 + 60, payload: Buffer.from('record') };
  assert.is(decodeSignedValue(encodeSignedValue(value, key, secret), key, NOW / 1000), null);
  const marked = signer();
  assert.ok(decodeSignedValue(marked.sign(1n), marked.key, NOW / 1000));
});

test('what is given out, and its digest, follow every change', () => {
  const store = new ContentStore();
  const { key, sign } = signer();
  const told = (nowMs: number) => {
    const held = store.get(key, nowMs);
    assert.equal(store.digest(key, nowMs), digestOf(held.map(({ hash }) => hash)));
    return held.map(({ content }) => content.toString('latin1'));
  };
  assert.equal(told(NOW), []);
  store.put(item(key, Buffer.from('a'), 1_000), 's', NOW);
  assert.equal(told(NOW), ['a']);
  store.put(item(key, sign(1n)), 's', NOW);
  assert.equal(told(NOW), [sign(1n).toString('latin1'), 'a']);
  store.put(item(key, sign(2n)), 's', NOW);
  assert.equal(told(NOW), [sign(2n).toString('latin1'), 'a']);
  store.offer(key, contentHash(Buffer.from('a')), 9_000, NOW);
  assert.is(store.get(key, NOW)[1]?.expiresAtMs, NOW + 9_000);
  assert.is(told(NOW + 8_999).length, 2);
  assert.is(told(NOW + 9_000).length, 1);
  assert.equal(told(NOW + 60_000), []);
});

test('a TTL above twelve hours is cut, one of zero is refused', () => {
  const store = new ContentStore();
  const key = randomBytes(32);
  assert.is(store.put(item(key, Buffer.from('a'), 0), 's', NOW), 'refused');
  store.put(item(key, Buffer.from('a'), MAX_TTL_MS * 2), 's', NOW);
  assert.is(store.get(key, NOW + MAX_TTL_MS - 1).length, 1);
  assert.is(store.get(key, NOW + MAX_TTL_MS).length, 0);
});

test('an identical content extends its life, never shortens it, and takes no room twice', () => {
  const store = new ContentStore();
  const key = randomBytes(32);
  store.put(item(key, Buffer.from('a'), 10_000), 's', NOW);
  const { bytes } = store.totals;
  store.put(item(key, Buffer.from('a'), 20_000), 't', NOW);
  store.put(item(key, Buffer.from('a'), 5_000), 'u', NOW);
  assert.is(store.totals.bytes, bytes);
  assert.is(store.get(key, NOW + 19_999).length, 1);
  assert.is(store.get(key, NOW + 20_000).length, 0);
});

test('at most 64 KB a key', () => {
  const store = new ContentStore();
  const key = randomBytes(32);
  assert.is(store.put(item(key, randomBytes(65_491)), 's', NOW), 'stored');
  assert.is(store.put(item(key, randomBytes(KEY_BYTES - 65_491)), 's', NOW), 'stored');
  assert.is(store.put(item(key, randomBytes(1)), 's', NOW), 'full');
  assert.is(store.put(item(randomBytes(32), randomBytes(65_492)), 's', NOW), 'refused');
});

test('bounds for each sender and over all; one sender cannot take the room of another', () => {
  const store = new ContentStore({ totalBytes: 100_000, senderBytes: 40_000 });
  const fill = (sender: string) => {
    let stored = 0;
    while (store.put(item(randomBytes(32), randomBytes(1_000)), sender, NOW) === 'stored') stored += 1;
    return stored;
  };
  const first = fill('a');
  assert.ok(first > 0 && first * 1_000 < 40_000);
  assert.is(fill('b'), first);
  fill('c');
  assert.ok(store.totals.bytes <= 100_000);
  const { key, sign } = signer();
  assert.is(store.put(item(key, sign(1n)), 'd', NOW), 'stored', 'a self-certifying value finds room');
  assert.ok(store.totals.bytes <= 100_000);
});

test('a self-certifying value replaces its older version and is never replaced by one', () => {
  const store = new ContentStore();
  const { key, sign } = signer();
  assert.is(store.put(item(key, sign(5n, 'five')), 's', NOW), 'stored');
  assert.is(store.put(item(key, sign(4n, 'four')), 's', NOW), 'stale');
  assert.is(store.put(item(key, sign(5n, 'other five')), 's', NOW), 'stale');
  assert.is(store.put(item(key, sign(6n, 'six')), 's', NOW), 'stored');
  const held = store.get(key, NOW);
  assert.is(held.length, 1);
  assert.is(held[0]?.sequence, 6n);
});

test('unsigned contents never push out a self-certifying value, but it pushes out them', () => {
  const store = new ContentStore();
  const { key, sign } = signer();
  for (let i = 0; i < 64; i++) store.put(item(key, randomBytes(1_024)), 's', NOW);
  assert.is(store.put(item(key, randomBytes(10)), 's', NOW), 'full');
  const value = sign(1n);
  assert.is(store.put(item(key, value), 't', NOW), 'stored');
  assert.ok(store.get(key, NOW)[0]?.content.equals(value), 'and it is given out first');
  for (let i = 0; i < 64; i++) store.put(item(key, randomBytes(1_024)), 's', NOW);
  assert.ok(store.get(key, NOW).some((one) => one.content.equals(value)));
  assert.ok(store.get(key, NOW).reduce((sum, one) => sum + one.content.length, 0) <= KEY_BYTES);
});

test('a full store of signed values: who has much makes room for who has little, and nobody for one who has more', () => {
  const limits = { totalBytes: 60_000, senderBytes: 20_000 };
  const store = new ContentStore(limits);
  const put = (sender: string) => {
    const { key, sign } = signer();
    return store.put(item(key, sign(1n)), sender, NOW);
  };
  const count = (sender: string) => store.all(NOW).filter((one) => one.sender === sender).length;
  for (const sender of ['a', 'b', 'c', 'd', 'e', 'f']) while (put(sender) === 'stored');
  const full = store.all(NOW).length;
  for (let index = 0; index < 3; index++) assert.is(put('modest'), 'stored');
  assert.is(count('modest'), 3);
  for (const sender of ['a', 'b', 'c', 'd', 'e', 'f']) assert.is(put(sender), 'full', sender);
  assert.is(count('modest'), 3, 'whoever has more pushes out nobody');
  assert.ok(store.all(NOW).length >= full - 2);
  assert.ok(store.totals.bytes <= limits.totalBytes);
  // A thousand senders of one value each come to a fair share of the store, and not to all of it.
  for (let index = 0; index < 1_000; index++) put(`sybil ${index}`);
  assert.ok(count('modest') >= 1);
});

test('a signed value lives no longer than it says itself', () => {
  const store = new ContentStore();
  const { key, sign } = signer();
  store.put(item(key, sign(1n, 'x', NOW / 1000 + 10), 60_000), 's', NOW);
  assert.is(store.get(key, NOW + 9_999).length, 1);
  assert.is(store.get(key, NOW + 10_000).length, 0);
  assert.is(
    store.put(item(key, sign(2n, 'x', NOW / 1000 - 1)), 's', NOW),
    'stored',
    'expired: like any content',
  );
  assert.is(store.get(key, NOW)[0]?.sequence, null);
});

test('an offer of what is held refreshes it, of anything else is wanted', () => {
  const store = new ContentStore();
  const key = randomBytes(32);
  const content = Buffer.from('held');
  store.put(item(key, content, 1_000), 's', NOW);
  assert.is(store.offer(key, contentHash(content), 5_000, NOW), 'stored');
  assert.is(store.get(key, NOW + 4_999).length, 1);
  assert.is(store.offer(key, randomBytes(32), 5_000, NOW), 'wanted');
});

test('a life does not grow little by little from being handed on', () => {
  const store = new ContentStore();
  const key = randomBytes(32);
  const content = Buffer.from('handed on');
  store.put(item(key, content, 60_000), 's', NOW);
  for (let i = 1; i <= 20; i++) {
    const late = NOW + i * 1_000;
    store.offer(key, contentHash(content), 60_000 - i * 1_000 + 500, late);
    store.put(item(key, content, 60_000 - i * 1_000 + 500), 's', late);
  }
  assert.is(store.get(key, NOW + 59_999).length, 1);
  assert.is(store.get(key, NOW + 60_000).length, 0);
});

test('equal sets of contents have equal digests', () => {
  const key = randomBytes(32);
  const contents = [randomBytes(3), randomBytes(4), randomBytes(5)];
  const digestOf = (order: Buffer[]) => {
    const store = new ContentStore();
    for (const content of order) store.put(item(key, content), 's', NOW);
    return store.digest(key, NOW);
  };
  assert.equal(digestOf(contents), digestOf([...contents].reverse()));
  assert.not.equal(digestOf(contents), digestOf(contents.slice(1)));
  assert.is(digestOf([]), null);
});

test('signed values: any altered byte, another key or a passed expiry makes it no signed value', () => {
  const { key, sign } = signer();
  const value = sign(7n, 'payload');
  const read = decodeSignedValue(value, key, NOW / 1000);
  assert.is(read?.sequence, 7n);
  assert.equal(read?.payload, Buffer.from('payload'));
  for (let i = 0; i < value.length; i++) {
    const altered = Buffer.from(value);
    altered[i] = (altered[i] as number) ^ 1;
    assert.is(decodeSignedValue(altered, key, NOW / 1000), null);
  }
  assert.is(decodeSignedValue(value, signer().key, NOW / 1000), null);
  assert.is(decodeSignedValue(value, key, NOW / 1000 + 3_600), null);
  assert.is(decodeSignedValue(Buffer.alloc(40), key, 0), null);
});

test.run();
