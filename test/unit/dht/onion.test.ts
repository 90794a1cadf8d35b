import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import {
  decodeExitReply,
  decodeExitRequest,
  type ExitRequest,
  encodeExitReply,
  encodeExitRequest,
} from '../../../src/dht/private/exit-message.js';
import {
  coverReply,
  isOnionSize,
  ONION_BYTES,
  type Onion,
  openReply,
  type Peeled,
  payloadCapacity,
  peelOnion,
  type Reply,
  replyCapacity,
  SLOT_MS,
  sealReply,
  slotAt,
  wrapOnion,
} from '../../../src/dht/private/onion.js';
import type { LayerKeys, OnionCipher } from '../../../src/dht/private/onion-cipher.js';
import { SeenOnions } from '../../../src/dht/private/seen-onions.js';
import { sodiumOnionCipher } from '../../../src/dht/private/sodium-onion-cipher.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { standInOnionCipher } from '../../../src/eval/sim/stand-in-onion-cipher.js';
import { createNoiseKeyPair, noiseKeyPairOf } from '../../../src/identity/noise-keys.js';

const test = suite('dht onions');
const random = new SeededRandom('onion.test');
const SLOT = 7;

interface Vectors {
  readonly slot: number;
  readonly request: { readonly key: string };
  readonly hops: readonly {
    readonly secretKey: string;
    readonly publicKey: string;
    readonly identity: string;
    readonly epoch: number;
    readonly nonce: string;
    readonly port: number;
    readonly ipv4: string | null;
    readonly ipv6: string | null;
    readonly onion: string;
  }[];
  readonly reply: {
    readonly content: string;
    readonly legs: readonly { readonly number: number; readonly body: string }[];
  };
}

interface Hop {
  readonly contact: Contact;
  readonly cipher: OnionCipher;
}

function hop(index: number, real: boolean): Hop {
  const pair = createNoiseKeyPair();
  const identity = random.bytes(32);
  const contact = {
    ...{ id: identity.toString('hex'), identity, key: pair.publicKey, position: random.bytes(32) },
    ...{ proof: { epoch: 3, nonce: random.bytes(8) }, port: 3000, ipv4: `10.0.0.${index + 1}` },
    ipv6: index % 2 === 0 ? null : '2001:db8::7',
  };
  return { contact, cipher: real ? sodiumOnionCipher(pair) : standInOnionCipher(pair.publicKey, random) };
}

const contacts = (hops: readonly Hop[]) => hops.map(({ contact }) => contact);
const first = (hops: readonly Hop[]) => (hops[0] as Hop).cipher;

/** What every hop sees, first hop first; the last is the exit's. */
function travel(hops: readonly Hop[], onion: Buffer): { legs: Buffer[]; peeled: Peeled[] } {
  const legs = [onion];
  const peeled: Peeled[] = [];
  for (const { cipher } of hops) {
    const one = peelOnion(cipher, legs.at(-1) as Buffer) as Peeled;
    peeled.push(one);
    if (one.kind === 'forward') legs.push(one.onion);
  }
  return { legs, peeled };
}

for (const real of [true, false]) {
  const name = real ? 'sodium' : 'stand-in';
  for (const count of [1, 2, 3]) {
    test(`${name}, ${count} hops: each learns the next one, the exit alone the payload`, () => {
      const hops = Array.from({ length: count }, (_, index) => hop(index, real));
      for (const bytes of [0, 1, 1_003, 1_004, 5_000, 65_600]) {
        const payload = random.bytes(bytes);
        const onion = wrapOnion(first(hops), random, contacts(hops), payload, SLOT) as Onion;
        const { legs, peeled } = travel(hops, onion.bytes);
        assert.is(legs.length, count);
        for (const [index, one] of peeled.entries()) {
          assert.is(one.slot, SLOT);
          if (one.kind === 'exit') {
            assert.is(index, count - 1);
            assert.ok(one.payload.subarray(0, bytes).equals(payload));
          } else {
            const { position: _position, ...next } = (hops[index + 1] as Hop).contact;
            assert.equal(one.next, next);
          }
        }
        assert.equal(new Set(legs.map((leg) => leg.length)).size, 1, 'the same size on every leg');
        assert.ok(isOnionSize(onion.bytes.length));
        for (const leg of legs.slice(1)) assert.is(commonBlocks(onion.bytes, leg), 0);
      }
    });
  }

  test(`${name}: replies of any hop come back, are as long on every leg, and never look the same`, () => {
    const hops = [0, 1, 2].map((index) => hop(index, real));
    const onion = wrapOnion(first(hops), random, contacts(hops), random.bytes(40), SLOT) as Onion;
    const keys = travel(hops, onion.bytes).peeled.map((one) => one.keys);
    for (const size of ONION_BYTES) {
      for (const maker of [0, 1, 2]) {
        const plaintext = random.bytes(replyCapacity(size));
        const legs: Reply[] = [
          sealReply((hops[maker] as Hop).cipher, keys[maker] as LayerKeys, 5, plaintext),
        ];
        for (let at = maker - 1; at >= 0; at--) {
          const covered = coverReply((hops[at] as Hop).cipher, keys[at] as LayerKeys, legs[0] as Reply);
          legs.unshift(covered as Reply);
        }
        const opened = openReply(first(hops), onion.layers, legs[0] as Reply);
        assert.is(opened?.hop, maker);
        assert.is(opened?.index, 5);
        assert.ok(opened?.plaintext.equals(plaintext));
        for (const leg of legs) assert.is(leg.body.length, size - 4);
        for (const leg of legs.slice(1)) {
          assert.is(commonBlocks((legs[0] as Reply).body, leg.body), 0);
          assert.is.not(leg.number, legs[0]?.number);
        }
      }
    }
  });

  test(`${name}: one altered byte anywhere in an onion or a reply, and it is nothing`, () => {
    const hops = [0, 1, 2].map((index) => hop(index, real));
    const onion = wrapOnion(first(hops), random, contacts(hops), random.bytes(40), SLOT) as Onion;
    const { legs, peeled } = travel(hops, onion.bytes);
    for (const [index, leg] of legs.entries()) {
      for (let at = 0; at < leg.length; at += index + 13) {
        const altered = Buffer.from(leg);
        altered[at] = (altered[at] as number) ^ 0x10;
        assert.is(peelOnion((hops[index] as Hop).cipher, altered), null);
      }
      assert.is(peelOnion((hops[(index + 1) % 3] as Hop).cipher, leg), null, 'for another hop');
    }
    const exit = (peeled[2] as Peeled).keys;
    const reply = sealReply(first(hops), exit, 0, random.bytes(replyCapacity(ONION_BYTES[0])));
    const layers = onion.layers.slice(2);
    assert.ok(openReply(first(hops), layers, reply));
    const altered = Buffer.from(reply.body);
    altered[3] = (altered[3] as number) ^ 1;
    assert.is(openReply(first(hops), layers, { ...reply, body: altered }), null);
    assert.is(openReply(first(hops), layers, { ...reply, number: reply.number + 1 }), null);
    assert.is(openReply(first(hops), layers, { ...reply, number: 0 }), null);
  });

  test(`${name}: arbitrary bytes never throw`, () => {
    const { cipher } = hop(0, real);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 1_500 }),
      fc.uint8Array({ minLength: ONION_BYTES[0], maxLength: ONION_BYTES[0] }),
      fc.uint8Array({ minLength: ONION_BYTES[1], maxLength: ONION_BYTES[1] }),
    );
    const keys = cipher.begin(random.bytes(32))?.keys as LayerKeys;
    fc.assert(
      fc.property(bytes, fc.nat({ max: 2 ** 32 - 1 }), (raw, number) => {
        assert.is(peelOnion(cipher, Buffer.from(raw)), null);
        assert.is(openReply(cipher, [keys, keys, keys], { number, body: Buffer.from(raw) }), null);
        const covered = coverReply(cipher, keys, { number, body: Buffer.from(raw) });
        assert.ok(covered === null || covered.body.length === raw.length);
      }),
    );
  });
}

/** Equal 16-byte blocks at the same place. */
function commonBlocks(a: Buffer, b: Buffer): number {
  let count = 0;
  for (let at = 0; at + 16 <= Math.min(a.length, b.length); at += 16) {
    if (a.subarray(at, at + 16).equals(b.subarray(at, at + 16))) count += 1;
  }
  return count;
}

test('vectors: an onion as each hop gets it, and a reply on its way back', () => {
  const url = new URL('../../../../test/vectors/dht-onions.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(url, 'utf8')) as Vectors;
  const hex = (text: string) => Buffer.from(text, 'hex');
  const ciphers = vectors.hops.map((one) => sodiumOnionCipher(noiseKeyPairOf(hex(one.secretKey))));
  const peeled = vectors.hops.map((one, index) =>
    peelOnion(ciphers[index] as OnionCipher, hex(one.onion)),
  ) as Peeled[];
  for (const [index, one] of peeled.entries()) {
    assert.is(one.slot, vectors.slot);
    const next = vectors.hops[index + 1];
    if (one.kind === 'exit') {
      assert.equal(decodeExitRequest(one.payload), { kind: 'get', key: hex(vectors.request.key) });
      continue;
    }
    assert.is(one.onion.toString('hex'), next?.onion);
    assert.is(one.next.id, next?.identity);
    assert.is(one.next.key.toString('hex'), next?.publicKey);
    assert.equal([one.next.ipv4, one.next.ipv6, one.next.port], [next?.ipv4, next?.ipv6, next?.port]);
    assert.equal(one.next.proof, { epoch: next?.epoch, nonce: hex(next?.nonce ?? '') });
  }
  const legs = vectors.reply.legs.map(({ number, body }) => ({ number, body: hex(body) }));
  for (const index of [0, 1]) {
    const { keys } = peeled[index] as Peeled;
    assert.equal(coverReply(ciphers[index] as OnionCipher, keys, legs[index + 1] as Reply), legs[index]);
  }
  const layers = peeled.map(({ keys }) => keys);
  const opened = openReply(ciphers[0] as OnionCipher, layers, legs[0] as Reply);
  assert.is(opened?.hop, 2);
  assert.equal(decodeExitReply(opened?.plaintext as Buffer), {
    ...{ end: true, failed: false, stored: 0, contents: [hex(vectors.reply.content)] },
  });
});

test('an onion for a key that is none, for no hop, for too many, or with too much is not made', () => {
  const hops = [0, 1, 2].map((index) => hop(index, true));
  const good = contacts(hops);
  const wrap = (path: readonly Contact[], bytes = 10) =>
    wrapOnion(first(hops), random, path, Buffer.alloc(bytes), SLOT);
  assert.ok(wrap(good));
  assert.is(wrap([]), null);
  assert.is(wrap([...good, ...good]), null);
  assert.is(wrap(good, payloadCapacity(ONION_BYTES[2]) + 1), null);
  // A point of small order.
  assert.is(wrap([{ ...(good[0] as Contact), key: Buffer.alloc(32) }, ...good.slice(1)]), null);
});

test('a hop whose plaintext is no route gets nothing: every kind of malformed plaintext under a valid tag', () => {
  const { cipher, contact } = hop(0, false);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (raw) => {
      const layer = cipher.begin(contact.key) as { ephemeral: Buffer; keys: LayerKeys };
      const plain = Buffer.concat([Buffer.from(raw)], ONION_BYTES[0] - 48);
      const body = cipher.stream(layer.keys.forward, 0, plain);
      const onion = Buffer.concat([layer.ephemeral, cipher.tag(layer.keys.tag, body), body]);
      const peeled = peelOnion(cipher, onion);
      if (raw[0] === 2) assert.is(peeled?.kind, 'exit');
      else if (raw[0] !== 1) assert.is(peeled, null);
    }),
    { numRuns: 300 },
  );
});

const content = fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes));
const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

test('property: requests of an exit come back as they were, with padding behind them; others are null', () => {
  const request: fc.Arbitrary<ExitRequest> = fc.oneof(
    fc.constant<ExitRequest>({ kind: 'probe' }),
    fc.record({ kind: fc.constant('get' as const), key }, { noNullPrototype: true }),
    fc.record(
      {
        ...{ kind: fc.constant('put' as const), key, content },
        ttlMs: fc.integer({ min: 1, max: 43_200_000 }),
        replication: fc.integer({ min: 1, max: 255 }),
      },
      { noNullPrototype: true },
    ),
  );
  fc.assert(
    fc.property(request, content, (one, padding) => {
      assert.equal(decodeExitRequest(Buffer.concat([encodeExitRequest(one), padding])), one);
    }),
  );
  fc.assert(
    fc.property(content, (raw) => {
      decodeExitRequest(raw);
      decodeExitReply(raw);
    }),
  );
  assert.is(decodeExitRequest(Buffer.alloc(0)), null);
  assert.is(decodeExitRequest(Buffer.concat([Buffer.of(9), Buffer.alloc(60)])), null);
});

test('replies of an exit take as many contents as fit, and say which is the last', () => {
  const queue = [0, 5, 600, 700, 40_000, 3].map((size) => random.bytes(size));
  const sent = [...queue];
  const got: Buffer[] = [];
  const sizes: number[] = [];
  for (let end = false; !end; ) {
    const reply = encodeExitReply({ failed: false, stored: 300 }, queue, true);
    end = reply.end;
    sizes.push(reply.plaintext.length);
    const decoded = decodeExitReply(reply.plaintext);
    assert.is(decoded?.stored, 300);
    assert.is(decoded?.end, end);
    got.push(...(decoded?.contents ?? []));
  }
  assert.equal(got, sent);
  assert.equal(
    sizes,
    [0, 2].map((index) => replyCapacity(ONION_BYTES[index] as number)),
  );
  const none = encodeExitReply({ failed: false, stored: 0 }, [], false);
  assert.equal(decodeExitReply(none.plaintext), {
    ...{ end: false, failed: false, stored: 0, contents: [] },
  });
});

test('an onion is accepted once, in its ten minutes and one more on either side; memory is bounded and closed when full', () => {
  const seen = new SeenOnions(100);
  const now = 1_800_000_000_000;
  const onion = random.bytes(32);
  assert.is(seen.accept(onion, slotAt(now), now), 'fresh');
  assert.is(seen.accept(onion, slotAt(now), now), 'replayed');
  assert.is(seen.accept(onion, slotAt(now), now + SLOT_MS), 'replayed');
  assert.is(seen.accept(onion, slotAt(now), now + 2 * SLOT_MS), 'stale');
  assert.is(seen.accept(random.bytes(32), slotAt(now) + 2, now), 'stale');
  assert.is(seen.accept(random.bytes(32), slotAt(now) + 1, now), 'fresh');
  const answers = Array.from({ length: 200 }, () => seen.accept(random.bytes(32), slotAt(now), now));
  assert.is(answers.filter((one) => one === 'fresh').length, 100);
  assert.is(answers.filter((one) => one === 'full').length, 100);
  assert.ok(seen.size <= 101);
  assert.is(seen.accept(random.bytes(32), slotAt(now + 3 * SLOT_MS), now + 3 * SLOT_MS), 'fresh');
  assert.is(seen.size, 1);
});

test('slots are counted round 2^16', () => {
  const seen = new SeenOnions();
  const last = 0xffff * SLOT_MS;
  assert.is(slotAt(last + SLOT_MS), 0);
  assert.is(seen.accept(random.bytes(32), slotAt(last), last + SLOT_MS), 'fresh');
});

test.run();
