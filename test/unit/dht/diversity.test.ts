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

/** As many contacts, each in a /16 of its own. */
const knows = (count: number) => {
  const contacts = Array.from({ length: count }, (_, index) => contact(`${20 + index}.1.1.1`));
  return { size: count, contacts: () => contacts };
};

test('one of a /24 and three of a /16 stand together, in their order', () => {
  const diversity = new Diversity('auto', knows(40));
  const all = ['203.0.113.1', '203.0.113.2', '203.0.1.1', '203.0.2.1', '203.0.3.1', '198.51.100.1'].map(
    (one) => contact(one),
  );
  assert.equal(diversity.select(all, 4), [all[0], all[2], all[3], all[5]]);
  assert.equal(diversity.select(all, 2), [all[0], all[2]]);
});

test('where the caps leave too few, others come behind them', () => {
  const diversity = new Diversity('auto', knows(40));
  const all = ['203.0.113.1', '203.0.113.2', '203.0.1.1', '203.0.113.3'].map((one) => contact(one));
  assert.equal(diversity.select(all, 3), [all[0], all[2], all[1]]);
});

test('IPv6 counts by /48 and /32, whatever its text form; who has both families counts by IPv4', () => {
  const diversity = new Diversity('auto', knows(40));
  const both = contact('203.0.113.1', '2001:db8:1::1');
  const same24 = contact('203.0.113.9', null);
  const six = contact(null, '2001:db8:1:ffff::2');
  const same48 = contact(null, '2001:0db8:0001::3');
  const other = contact(null, '2001:db8:2::1');
  assert.equal(diversity.select([both, same24, six, same48, other], 3), [both, six, other]);
});

test('an IPv6 address beside a private IPv4 one, by which the peer is reached, counts for nobody', () => {
  const diversity = new Diversity('auto', knows(40));
  const honest = contact(null, '2001:db8:1::1');
  const claims = contact('10.0.0.1', '2001:db8:1::2');
  assert.equal(diversity.select([claims, honest], 2), [claims, honest]);
  assert.equal(diversity.select([claims, honest, contact(null, '2001:db8:1::3')], 2), [claims, honest]);
});

test('private addresses have no caps unless they are configured', () => {
  const home = [contact('10.0.0.1'), contact('10.0.0.2'), contact(null, 'fd00::1'), contact(null, 'fd00::2')];
  const open = [contact('203.0.113.1'), contact('203.0.113.2'), contact('198.51.100.1')];
  const auto = (known: number) => new Diversity('auto', knows(known));
  assert.equal(auto(40).select(home, 3), home.slice(0, 3));
  assert.equal(auto(40).select(open, 2), [open[0], open[2]]);
  assert.equal(new Diversity('on', knows(1)).select(home, 2), [home[0], home[2]]);
  assert.equal(new Diversity('off', knows(40)).select(open, 2), open.slice(0, 2));
});

test('in networks of few prefixes the caps leave nobody out, but who stands together is of several where there are', () => {
  const open = [contact('203.0.113.1'), contact('203.0.113.2'), contact('198.51.100.1')];
  const few = new Diversity('auto', knows(10));
  assert.equal(few.select(open, 2), [open[0], open[2]]);
  assert.equal(few.select(open, 3), [open[0], open[2], open[1]]);
  assert.ok(few.fits(open[1] as Contact, [open[0] as Contact]));
  const counted = few.count();
  assert.ok(open.every((one) => counted.admit(one)));
  const provider = Array.from({ length: 90 }, (_, index) => contact(`203.0.${index}.1`));
  const one = new Diversity('auto', { size: 90, contacts: () => provider });
  assert.is(one.select(provider, 20).length, 20);
});

test.run();
