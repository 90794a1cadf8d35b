import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CertifiedKeys } from '../../../src/dht/certified-keys.js';
import { type Contact, contactEndpoint, heardFrom } from '../../../src/dht/contact.js';
import { Peers } from '../../../src/dht/peers.js';
import { RoundTrips } from '../../../src/dht/round-trip.js';
import type { SecureChannel } from '../../../src/dht/secure-channel.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { standInCertificate, standInChannel } from '../../../src/eval/sim/stand-in-channel.js';
import { standInContact } from '../../../src/eval/sim/stand-in-contact.js';

const test = suite('dht peers');
const NOW = 1_800_000_000;
const DAY = 86_400;
const random = new SeededRandom('peers.test');

function stranger(): Contact {
  return standInContact(random, { family: 4, host: '10.0.0.1', port: 3000 }, NOW);
}

/** The stand-in's, counting what would be RSA verifications. */
function countingChannel(): { channel: SecureChannel; count: () => number } {
  const channel = standInChannel(random.bytes(32), random.bytes(32), random);
  let count = 0;
  const readCertificate: SecureChannel['readCertificate'] = (bytes, nowSeconds) => {
    count += 1;
    return channel.readCertificate(bytes, nowSeconds);
  };
  return { channel: { ...channel, readCertificate }, count: () => count };
}

const certificateOf = ({ identity, key }: Contact) => standInCertificate(identity, key);

test('a certificate is verified once for a key, until it expires', () => {
  const { channel, count } = countingChannel();
  const certified = new CertifiedKeys(channel, new Peers());
  const contact = stranger();
  assert.not(certified.holds(contact, NOW));
  for (const at of [NOW, NOW + 1, NOW + DAY - 1])
    assert.ok(certified.proves(certificateOf(contact), contact, at));
  assert.is(count(), 1);
  assert.not(certified.holds(contact, NOW + DAY));
  assert.ok(certified.proves(certificateOf(contact), contact, NOW + DAY));
  assert.is(count(), 2);
});

test('a key proves nothing of another identity, nor an identity of another key', () => {
  const certified = new CertifiedKeys(countingChannel().channel, new Peers());
  const [contact, other] = [stranger(), stranger()];
  assert.ok(certified.proves(certificateOf(contact), contact, NOW));
  const renewed = { ...contact, key: random.bytes(32) };
  assert.not(certified.holds(renewed, NOW));
  assert.not(certified.proves(certificateOf(contact), renewed, NOW));
  assert.not(certified.proves(certificateOf(contact), { ...other, key: contact.key }, NOW));
  assert.ok(certified.holds(contact, NOW), 'what was refused has changed nothing');
  assert.ok(certified.proves(certificateOf(renewed), renewed, NOW));
  assert.ok(certified.holds(renewed, NOW));
});

test('a flood of handshakes pushes out strangers, never what is known of those who have answered', () => {
  const peers = new Peers({ met: 2, strangers: 3 });
  const certified = new CertifiedKeys(countingChannel().channel, peers);
  const trips = new RoundTrips(peers);
  const [first, met] = [stranger(), stranger()];
  for (const contact of [first, met]) assert.ok(certified.proves(certificateOf(contact), contact, NOW));
  trips.sample(met, 7);
  for (let i = 0; i < 5; i++) {
    const contact = stranger();
    assert.ok(certified.proves(certificateOf(contact), contact, NOW));
  }
  assert.not(certified.holds(first, NOW));
  assert.ok(certified.holds(met, NOW));
  assert.is(peers.peek(met.id)?.smoothedMicros, 7_000);
});

test('whoever was used longest ago is forgotten first, also among those who have answered', () => {
  const peers = new Peers({ met: 2 });
  const [first, second] = [stranger(), stranger()];
  const [a, b] = [peers.meet(first), peers.meet(second)];
  assert.is(peers.meet(first), a);
  peers.meet(stranger());
  assert.is(peers.peek(first.id), a);
  assert.is(peers.peek(second.id), null);
  assert.is.not(peers.know(second), b);
});

test('a peer stays the same object when it answers for the first time', () => {
  const peers = new Peers();
  const contact = stranger();
  const peer = peers.know(contact);
  assert.is(peers.meet(contact), peer);
  assert.is(peers.know(contact), peer);
});

test('an endpoint is one object for each contact; a source elsewhere is itself', () => {
  const contact = { ...stranger(), ipv6: '2001:db8::1' };
  const own = contactEndpoint(contact, () => true);
  assert.equal(own, { family: 4, host: '10.0.0.1', port: 3000 });
  assert.is(
    contactEndpoint(contact, () => true),
    own,
  );
  assert.is(heardFrom(contact, { family: 4, host: '10.0.0.1', port: 3000 }), own);
  const sixth = { family: 6, host: '2001:db8::1', port: 3000 } as const;
  assert.is(
    heardFrom(contact, sixth),
    contactEndpoint(contact, (family) => family === 6),
  );
  for (const source of [
    { family: 4, host: '10.0.0.2', port: 3000 },
    { family: 4, host: '10.0.0.1', port: 3001 },
  ] as const)
    assert.is(heardFrom(contact, source), source);
  assert.is(
    contactEndpoint({ ...contact, ipv4: null, ipv6: null }, () => true),
    null,
  );
});

test.run();
