import { randomBytes, randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { choosePath } from '../../../src/kx/path.js';
import type { Candidate } from '../../../src/kx/peer-pool.js';
import { PinnedPeers } from '../../../src/kx/pinned-peers.js';

const test = suite('choice of a path');
const candidate = (address: string): Candidate => ({ identity: randomBytes(32), address, port: 3001 });
const self = randomBytes(32);
const DAY_MS = 86_400_000;
const NOW = 1_800_000_000_000;

function pins(wanted = 2) {
  const options = { wanted, most: 16, lifetimeMs: { least: DAY_MS, most: 2 * DAY_MS } };
  return {
    first: new PinnedPeers(options, [], randomInt),
    second: new PinnedPeers({ ...options, wanted: 4 }, [], randomInt),
  };
}

function choose(
  pool: readonly Candidate[],
  exchangePoint: Candidate,
  hops: number,
  pinned = pins(),
  now = NOW,
) {
  return choosePath(pool, pinned, { exchangePoint, hops, self, strict: false, now }, randomInt);
}

test('the exchange point is last, and nobody is on a path twice', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 3, max: 8 }), (known, hops) => {
      const pool = Array.from({ length: known }, (_, index) => candidate(`10.0.0.${index + 1}`));
      const exchangePoint = pool[0] as Candidate;
      const path = choose(pool, exchangePoint, hops);
      if (known < hops) {
        assert.is(path, null);
        return;
      }
      assert.is(path?.length, hops);
      assert.is(path?.at(-1), exchangePoint);
      assert.is(new Set(path?.map(({ identity }) => identity.toString('hex'))).size, hops);
    }),
  );
});

test('this peer itself is no relay of its own tunnel', () => {
  const own = { ...candidate('10.0.0.1'), identity: self };
  const pool = [own, candidate('10.0.0.2')];
  const exchangePoint = candidate('10.0.0.3');
  assert.is(choose(pool, exchangePoint, 3), null);
});

test('no two hops share a /16 where the pool is large enough', () => {
  const pool = ['198.51.1.1', '198.51.2.2', '203.0.1.1', '203.0.2.2', '192.0.2.1'].map(candidate);
  for (let round = 0; round < 50; round += 1) {
    const exchangePoint = candidate('198.51.9.9');
    const path = choose(pool, exchangePoint, 3);
    const prefixes = path?.map(({ address }) => address.split('.').slice(0, 2).join('.'));
    assert.is(new Set(prefixes).size, 3, prefixes?.join(' '));
  }
});

test('of two drawn paths the quicker is taken: the quickest of eight hops a quarter of the time, the slowest hardly', () => {
  const pool = Array.from({ length: 8 }, (_, index) => candidate(`10.0.0.${index + 1}`));
  const exchangePoint = candidate('10.0.0.9');
  const pinned = pins(8);
  const firsts = new Map<string, number>();
  const delayOf = ([first]: readonly Candidate[]) => Number(first?.address.split('.').at(-1));
  for (let round = 0; round < 4_000; round += 1) {
    const request = { exchangePoint, hops: 2, self, strict: false, now: NOW, delayOf };
    const first = choosePath(pool, pinned, request, randomInt)?.[0]?.address ?? '';
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  // Of the nearest of two draws: 15 and 1 of 64.
  const share = (last: number) => (firsts.get(`10.0.0.${last}`) ?? 0) / 4_000;
  assert.ok(Math.abs(share(1) - 15 / 64) < 0.03, `${share(1)}`);
  assert.ok(Math.abs(share(8) - 1 / 64) < 0.01, `${share(8)}`);
});

test('a network in one prefix still works', () => {
  const pool = ['198.51.1.1', '198.51.2.2', '198.51.3.3'].map(candidate);
  const exchangePoint = candidate('198.51.9.9');
  const path = choose(pool, exchangePoint, 3);
  assert.is(path?.length, 3);
});

test('the same few peers stand first and second on all paths, until their time is over', () => {
  const pool = Array.from({ length: 30 }, (_, index) => candidate(`10.0.0.${index + 1}`));
  const pinned = pins();
  const seen = [new Set<string>(), new Set<string>()];
  const walk = (now: number) => {
    for (let round = 0; round < 200; round += 1) {
      const path = choose(pool, candidate('10.0.1.1'), 3, pinned, now);
      for (const place of [0, 1]) seen[place]?.add(path?.[place]?.identity.toString('hex') ?? '');
    }
  };
  walk(NOW);
  assert.is(seen[0]?.size, 2);
  assert.ok((seen[1]?.size ?? 9) <= 4, 'second hops');
  walk(NOW + 3 * DAY_MS);
  assert.ok((seen[0]?.size ?? 0) > 2);
});

test('a first hop that is down is passed over and comes back', () => {
  const pool = Array.from({ length: 10 }, (_, index) => candidate(`10.0.0.${index + 1}`));
  const pinned = pins(1);
  const firstOf = (now: number) =>
    choose(pool, candidate('10.0.1.1'), 3, pinned, now)?.[0]?.identity as Buffer;
  const guard = firstOf(NOW);
  assert.ok(guard.equals(firstOf(NOW)));
  pinned.first.noteFailure(guard, NOW);
  assert.not(guard.equals(firstOf(NOW + 1)));
  pinned.first.noteFailure(firstOf(NOW + 1), NOW + 9_999);
  assert.ok(guard.equals(firstOf(NOW + 10_000)));
});

test('whoever chooses exchange points does not make the set of first hops grow', () => {
  const pool = Array.from({ length: 40 }, (_, index) => candidate(`198.${index + 1}.0.1`));
  const pinned = pins(2);
  for (const exchangePoint of pool) {
    assert.is(choose(pool, exchangePoint, 3, pinned)?.length, 3);
    const near = candidate(exchangePoint.address.replace(/1$/, '9'));
    assert.is(choose(pool, near, 3, pinned)?.length, 3);
  }
  assert.is(pinned.first.members.length, 2);
});

test('no number of failures makes the set of first hops grow without bound', () => {
  const pool = Array.from({ length: 200 }, (_, index) => candidate(`10.0.${index >> 7}.${index & 127}`));
  const pinned = pins(2);
  for (let round = 0; round < 100; round += 1) {
    const first = choose(pool, candidate('10.9.1.1'), 3, pinned)?.[0];
    if (first !== undefined) pinned.first.noteFailure(first.identity, NOW);
  }
  assert.is(pinned.first.members.length, 16);
});

test('suspects are passed over, the latest one longest, and still taken where there is nobody else', () => {
  const [a, b, c, exchangePoint] = ['1', '2', '3', '9'].map((host) => candidate(`10.0.0.${host}`)) as [
    Candidate,
    Candidate,
    Candidate,
    Candidate,
  ];
  const suspicionOf = (peer: Candidate) => (peer.identity.equals(a.identity) ? 2 : 1);
  const request = { exchangePoint, self, strict: false, now: NOW, suspicionOf };
  for (let round = 0; round < 20; round += 1) {
    const short = choosePath([a, b, c], pins(), { ...request, hops: 3 }, randomInt);
    assert.not(short?.some(({ identity }) => identity.equals(a.identity)));
    const long = choosePath([a, b, c], pins(), { ...request, hops: 4 }, randomInt);
    assert.is(long?.length, 4);
  }
});

test('pinned hops and relays come from different traces where there are enough', () => {
  const shown = (trace: number, host: number) => ({ ...candidate(`10.0.${trace}.${host}`), trace });
  // One trace names far more peers than the others.
  const pool = [
    ...Array.from({ length: 40 }, (_, host) => shown(1, host)),
    shown(2, 1),
    shown(3, 1),
    shown(4, 1),
  ];
  for (let round = 0; round < 20; round += 1) {
    const pinned = pins(2);
    const path = choose(pool, candidate('10.9.9.9'), 4, pinned);
    const traceOf = ({ identity }: Candidate) => pool.find((peer) => peer.identity.equals(identity))?.trace;
    assert.is(new Set(path?.slice(0, 3).map(traceOf)).size > 1, true);
    assert.is(new Set(pinned.first.members.map(traceOf)).size, 2);
  }
});

test.run();
