import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import { Diversity } from '../../../src/dht/diversity.js';

const test = suite('dht diversity');

function contact(ipv4: string | null, ipv6: string | null = null): Contact {
  const identity = randomBytes(32);
  const proof = { epoch: 0, nonce: Buffer.alloc(8) };
  const rest = { key: randomBytes(32), position: randomBytes(32), port: 3000 };
  return { id: identity.toString('hex'), identity, proof, ipv4, ipv6, ...rest };
}

test('one of a /24 and three of a /16 stand together, in their order', () => {
  const diversity = new Diversity('auto', () => 1_000);
  const all = ['203.0.113.1', '203.0.113.2', '203.0.1.1', '203.0.2.1', '203.0.3.1', '198.51.100.1'].map(
    (one) => contact(one),
  );
  assert.equal(diversity.select(all, 20), [all[0], all[2], all[3], all[5]]);
  assert.equal(diversity.select(all, 2), [all[0], all[2]]);
});

test('IPv6 counts by /48 and /32, whatever its text form, and a peer of both families under both', () => {
  const diversity = new Diversity('auto', () => 1_000);
  const both = contact('203.0.113.1', '2001:db8:1::1');
  const same48 = contact(null, '2001:db8:1:ffff::2');
  const same24 = contact('203.0.113.9', null);
  const other = contact(null, '2001:db8:2::1');
  assert.equal(diversity.select([both, same48, same24, other], 20), [both, other]);
});

test('private addresses and small networks have no caps unless they are configured', () => {
  const home = [contact('10.0.0.1'), contact('10.0.0.2'), contact(null, 'fd00::1'), contact(null, 'fd00::2')];
  const open = [contact('203.0.113.1'), contact('203.0.113.2')];
  const auto = (known: number) => new Diversity('auto', () => known);
  assert.equal(auto(1_000).select(home, 20), home);
  assert.equal(auto(10).select(open, 20), open);
  assert.is(auto(1_000).select(open, 20).length, 1);
  assert.is(new Diversity('on', () => 1).select(home, 20).length, 2);
  assert.equal(new Diversity('off', () => 1_000).select(open, 20), open);
});

test.run();
