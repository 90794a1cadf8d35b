import { randomBytes, randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { choosePath } from '../../../src/kx/path.js';
import type { Candidate } from '../../../src/kx/peer-pool.js';

const test = suite('choice of a path');
const candidate = (address: string): Candidate => ({ identity: randomBytes(32), address, port: 3001 });
const self = randomBytes(32);

test('the exchange point is last, and nobody is on a path twice', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 3, max: 8 }), (known, hops) => {
      const pool = Array.from({ length: known }, (_, index) => candidate(`10.0.0.${index + 1}`));
      const exchangePoint = pool[0] as Candidate;
      const path = choosePath(pool, { exchangePoint, hops, self, strict: false }, randomInt);
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
  assert.is(choosePath(pool, { exchangePoint, hops: 3, self, strict: false }, randomInt), null);
});

test('no two hops share a /16 where the pool is large enough', () => {
  const pool = ['198.51.1.1', '198.51.2.2', '203.0.1.1', '203.0.2.2', '192.0.2.1'].map(candidate);
  for (let round = 0; round < 50; round += 1) {
    const exchangePoint = candidate('198.51.9.9');
    const path = choosePath(pool, { exchangePoint, hops: 3, self, strict: false }, randomInt);
    const prefixes = path?.map(({ address }) => address.split('.').slice(0, 2).join('.'));
    assert.is(new Set(prefixes).size, 3, prefixes?.join(' '));
  }
});

test('a network in one prefix still works', () => {
  const pool = ['198.51.1.1', '198.51.2.2', '198.51.3.3'].map(candidate);
  const exchangePoint = candidate('198.51.9.9');
  const path = choosePath(pool, { exchangePoint, hops: 3, self, strict: false }, randomInt);
  assert.is(path?.length, 3);
});

test('every relay is chosen about equally often', () => {
  const pool = Array.from({ length: 6 }, (_, index) => candidate(`10.0.0.${index + 1}`));
  const exchangePoint = candidate('10.0.1.1');
  const counts = new Map<Candidate, number>();
  for (let round = 0; round < 3_000; round += 1) {
    const path = choosePath(pool, { exchangePoint, hops: 3, self, strict: false }, randomInt);
    const first = path?.[0] as Candidate;
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  for (const count of counts.values()) assert.ok(count > 350 && count < 650, String(count));
  assert.is(counts.size, 6);
});

test.run();
