import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endpointOf, ipv6Bytes, ipv6Text, sourceKey } from '../../../src/dht/address.js';
import { BoundedMap } from '../../../src/dht/bounded-map.js';
import { CompactTable, type TableKeys } from '../../../src/dht/compact-table.js';
import type { Contact } from '../../../src/dht/contact.js';
import { compareDistance, idInBucket, sharedPrefixBits } from '../../../src/dht/distance.js';
import { Peers } from '../../../src/dht/peers.js';
import {
  EPOCH_GRACE_SECONDS,
  EPOCH_SECONDS,
  epochAt,
  epochEndSeconds,
  puzzlePrefix,
  verifyPosition,
} from '../../../src/dht/position.js';
import { RateLimit } from '../../../src/dht/rate-limit.js';
import { REPLAY_WINDOW, ReplayWindow } from '../../../src/dht/replay-window.js';
import { RoundTrips } from '../../../src/dht/round-trip.js';
import { BUCKET_SIZE, RoutingTable } from '../../../src/dht/routing-table.js';
import { searchPuzzle } from '../../../src/engine/puzzle.js';

const test = suite('dht tables');

function contactAt(position: Buffer): Contact {
  const identity = randomBytes(32);
  const proof = { epoch: 0, nonce: Buffer.alloc(8) };
  const id = identity.toString('hex');
  return { id, identity, key: randomBytes(32), proof, position, ipv4: '10.0.0.1', ipv6: null, port: 3000 };
}

const own = randomBytes(32);
/** A contact that shares exactly `bits` leading bits with us. */
const inBucket = (bits: number) => contactAt(idInBucket(own, bits, randomBytes(32)));

test('property: an id made for a bucket shares exactly that many bits', () => {
  fc.assert(
    fc.property(fc.nat({ max: 255 }), (bits) => {
      assert.is(sharedPrefixBits(own, idInBucket(own, bits, randomBytes(32))), bits);
    }),
  );
  assert.is(sharedPrefixBits(own, own), 256);
});

test('closest gives the same order as sorting everything', () => {
  const table = new RoutingTable(own, 'self');
  const all: Contact[] = [];
  for (let i = 0; i < 200; i++) {
    const contact = contactAt(randomBytes(32));
    if (table.offer(contact, 0).outcome === 'added') all.push(contact);
  }
  const target = randomBytes(32);
  const expected = all.sort((a, b) => compareDistance(target, a.position, b.position)).slice(0, 20);
  assert.equal(
    table.closest(target, 20).map((one) => one.id),
    expected.map((one) => one.id),
  );
  assert.is(table.size, all.length);
});

test('a newcomer is of use as long as there is room, to enter or to wait, or somebody has not been heard of for long', () => {
  const table = new RoutingTable(own, 'self');
  for (let i = 0; i < BUCKET_SIZE * 2; i++) {
    assert.ok(table.hasUse(inBucket(3), 0));
    table.offer(inBucket(3), 10_000);
  }
  assert.not.ok(table.hasUse(inBucket(3), 10_000));
  assert.ok(table.hasUse(inBucket(3), 10_001));
  assert.ok(table.hasUse(inBucket(4), 0));
});

test('a full bucket keeps its old contacts; a newcomer enters only when the oldest fails', () => {
  const table = new RoutingTable(own, 'self');
  const old = Array.from({ length: BUCKET_SIZE }, () => inBucket(3));
  old.forEach((contact, index) => {
    assert.is(table.offer(contact, index).outcome, 'added');
  });
  const newcomer = inBucket(3);
  const result = table.offer(newcomer, 100);
  assert.is(result.outcome, 'waiting');
  if (result.outcome === 'waiting') assert.is(result.oldest.id, old[0]?.id);
  assert.is(table.get(newcomer), null);
  // The oldest answers: it is renewed, and the next oldest is asked about next time.
  table.offer(old[0] as Contact, 101);
  const next = table.offer(inBucket(3), 102);
  if (next.outcome === 'waiting') assert.is(next.oldest.id, old[1]?.id);
  assert.ok(table.failed(old[1] as Contact));
  assert.is(table.get(old[1] as Contact), null);
  assert.is(table.size, BUCKET_SIZE);
});

test('a contact stays where we know it, unless it says itself that it has moved, or fails there', () => {
  const table = new RoutingTable(own, 'self');
  const contact = inBucket(3);
  const elsewhere = { ...contact, ipv4: '10.9.9.9' };
  table.offer(contact, 0);
  assert.is(table.offer(elsewhere, 1).outcome, 'refused');
  assert.is(table.get(contact), contact);
  assert.is(table.offer(elsewhere, 2, true).outcome, 'refreshed');
  assert.is(table.get(contact), elsewhere);
  table.failed(elsewhere);
  assert.is(table.offer(contact, 4).outcome, 'refreshed');
  assert.is(table.get(contact), contact);
});

test('without a candidate a contact goes only after two failures in a row', () => {
  const table = new RoutingTable(own, 'self');
  const contact = inBucket(1);
  table.offer(contact, 0);
  assert.not.ok(table.failed(contact));
  table.offer(contact, 2);
  assert.not.ok(table.failed(contact));
  assert.ok(table.failed(contact));
  assert.is(table.size, 0);
});

test('ourselves and contacts that the caps refuse do not enter', () => {
  const self = inBucket(4);
  const table = new RoutingTable(own, self.id, (_contact, bucket) => bucket.length < 2);
  assert.is(table.offer(self, 0).outcome, 'refused');
  assert.is(table.offer(contactAt(own), 0).outcome, 'refused');
  for (const outcome of ['added', 'added', 'refused'])
    assert.is(table.offer(inBucket(9), 0).outcome, outcome);
});

test('the replay window takes each counter once, in any order, and none that is too old', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 3_000 }), { maxLength: 300 }), (counters) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = -1;
      for (const counter of counters) {
        const expected = !seen.has(counter) && counter > highest - REPLAY_WINDOW;
        assert.is(window.accept(counter), expected);
        if (expected) seen.add(counter);
        highest = Math.max(highest, counter);
      }
    }),
  );
});

test('a bounded map drops what was used longest ago', () => {
  const evicted: string[] = [];
  const map = new BoundedMap<string, number>(2, (key) => evicted.push(key));
  map.set('a', 1);
  map.set('b', 2);
  map.get('a');
  map.set('c', 3);
  assert.equal(evicted, ['b']);
  assert.is(map.size, 2);
});

test('property: a compact table holds what a map would, however keys collide', () => {
  const keys: TableKeys<number, { key: number; usedAt: number }> = {
    of: ({ key }) => key,
    hash: (key) => key % 7,
  };
  const steps = fc.array(fc.record({ key: fc.nat({ max: 60 }), gone: fc.boolean() }), { maxLength: 300 });
  fc.assert(
    fc.property(steps, (all) => {
      const [table, map] = [new CompactTable(1000, keys), new Map<number, object>()];
      for (const { key, gone } of all) {
        if (gone) assert.is(table.delete(key), map.delete(key));
        else {
          const entry = { key, usedAt: 0 };
          table.add(entry);
          map.set(key, entry);
        }
        assert.is(table.size, map.size);
        for (let i = 0; i <= 60; i++) assert.is(table.peek(i), map.get(i) ?? null);
      }
    }),
  );
});

test('a full compact table drops what was used longest ago', () => {
  const keys: TableKeys<number, { key: number; usedAt: number }> = {
    of: ({ key }) => key,
    hash: (key) => key,
  };
  const evicted: number[] = [];
  const table = new CompactTable(20, keys, ({ key }) => evicted.push(key));
  for (let key = 0; key < 20; key++) table.add({ key, usedAt: 0 });
  table.get(0);
  table.peek(1);
  for (let key = 20; key < 23; key++) table.add({ key, usedAt: 0 });
  assert.equal(evicted, [1, 2, 3]);
  assert.is(table.size, 20);
  table.delete(5);
  table.add({ key: 23, usedAt: 0 });
  assert.equal(evicted, [1, 2, 3], 'there was room');
});

test('property: a full compact table drops the same as one that keeps all in order', () => {
  const keys: TableKeys<number, { key: number; usedAt: number }> = {
    of: ({ key }) => key,
    hash: (key) => key,
  };
  const step = fc.record({ key: fc.nat({ max: 90 }), kind: fc.constantFrom('add', 'add', 'use', 'delete') });
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 500 }), (steps) => {
      const [evicted, expected]: [number[], number[]] = [[], []];
      const table = new CompactTable(40, keys, ({ key }) => evicted.push(key));
      const order = new Set<number>();
      for (const { key, kind } of steps) {
        if (kind === 'use') table.get(key);
        if (kind === 'delete') table.delete(key);
        if (kind === 'add') table.add({ key, usedAt: 0 });
        const had = order.delete(key);
        if (kind === 'delete' || (kind === 'use' && !had)) continue;
        const [oldest] = order;
        if (order.size === 40 && oldest !== undefined) {
          order.delete(oldest);
          expected.push(oldest);
        }
        order.add(key);
      }
      assert.equal(evicted, expected);
    }),
  );
});

test('a full compact table does not look at all entries for each that comes', () => {
  let looks = 0;
  class Entry {
    #usedAt = 0;
    constructor(readonly key: number) {}
    get usedAt(): number {
      looks += 1;
      return this.#usedAt;
    }
    set usedAt(value: number) {
      this.#usedAt = value;
    }
  }
  const table = new CompactTable<number, Entry>(1000, { of: ({ key }) => key, hash: (key) => key });
  for (let key = 0; key < 1000; key++) table.add(new Entry(key));
  looks = 0;
  for (let key = 1000; key < 6000; key++) table.add(new Entry(key));
  assert.ok(looks < 5000 * 20, `${looks} looks`);
});

test('a rate limit gives each source its burst and then its rate', () => {
  const limit = new RateLimit(10, 5);
  const taken = (source: string, nowMs: number, tries: number) =>
    Array.from({ length: tries }, () => limit.allow(source, nowMs)).filter(Boolean).length;
  assert.is(taken('a', 0, 20), 5);
  assert.is(taken('b', 0, 20), 5);
  assert.is(taken('a', 200, 20), 2);
  assert.is(taken('a', 100_000, 20), 5);
});

test('a rate limit remembers who has used up what, whatever new sources come', () => {
  const limit = new RateLimit(10, 5);
  for (let i = 0; i < 5; i++) assert.ok(limit.allow('greedy', 0));
  for (let i = 0; i < 500; i++) limit.allow(`other ${i}`, i / 100);
  assert.not(limit.allow('greedy', 10));
});

test('timeouts follow the measured round trips and grow with each attempt', () => {
  const trips = new RoundTrips(new Peers());
  const [far, near] = [inBucket(1), inBucket(2)];
  const before = trips.timeoutMs(far.id, 0);
  for (let i = 0; i < 50; i++) trips.sample(far, 300);
  assert.ok(trips.hedgeMs(far.id) >= 300);
  assert.ok(trips.timeoutMs(far.id, 0) >= 600);
  for (let i = 0; i < 50; i++) trips.sample(near, 1);
  assert.ok(trips.hedgeMs(near.id) < 20);
  assert.ok(trips.timeoutMs(near.id, 1) === 2 * trips.timeoutMs(near.id, 0));
  assert.ok(before > 0);
});

test('a position needs the puzzle, the identity, and the epoch of now', async () => {
  const identity = randomBytes(32);
  const now = 1_800_000_000;
  const epoch = epochAt(identity, now);
  const found = await searchPuzzle(puzzlePrefix(identity, epoch), 2n ** 64n - 5n, 100_000, 8);
  const nonce = Buffer.alloc(8);
  nonce.writeBigUInt64BE(found as bigint);
  const proof = { epoch, nonce };
  const position = verifyPosition(identity, proof, now, 8);
  assert.is(position?.length, 32);
  assert.is(verifyPosition(randomBytes(32), proof, now, 20), null);
  assert.is(verifyPosition(identity, { ...proof, epoch: epoch + 2 }, now, 0), null);
  assert.is(verifyPosition(identity, proof, now, 60), null);
  const end = epochEndSeconds(identity, now);
  assert.is(epochAt(identity, end), epoch + 1);
  assert.is(epochAt(identity, end - 1), epoch);
  assert.ok(end - now <= EPOCH_SECONDS);
  assert.ok(verifyPosition(identity, proof, end + EPOCH_GRACE_SECONDS - 2, 8), 'good a little longer');
  assert.is(verifyPosition(identity, proof, end + EPOCH_GRACE_SECONDS + 1, 8), null);
  const another = { epoch, nonce: randomBytes(8) };
  assert.not.equal(verifyPosition(identity, another, now, 0), position, 'each nonce is another position');
});

test('addresses: text and bytes agree; mapped addresses are IPv4; a /64 is one source', () => {
  for (const text of ['::', '::1', '2001:db8::1', '2001:db8:0:1:2:3:4:5', 'fe80::1', '::1:0:1', '1::']) {
    assert.is(ipv6Text(ipv6Bytes(text) as Buffer), endpointOf(text, 1)?.host ?? '', text);
  }
  assert.equal(endpointOf('::ffff:192.0.2.1', 5), { family: 4, host: '192.0.2.1', port: 5 });
  assert.is(endpointOf('2001:DB8:0:0:0:0:0:1', 1)?.host, '2001:db8::1');
  assert.is(endpointOf('name.example', 1), null);
  const source = (host: string) =>
    sourceKey(endpointOf(host, 1) as NonNullable<ReturnType<typeof endpointOf>>);
  assert.is(source('2001:db8::1'), source('2001:db8::2:0:0:9'));
  assert.is.not(source('2001:db8:0:1::1'), source('2001:db8::1'));
});

test.run();
