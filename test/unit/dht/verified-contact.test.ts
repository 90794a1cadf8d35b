import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ByteReader, ByteWriter } from '../../../src/dht/bytes.js';
import { readContact, type UnverifiedContact, writeContact } from '../../../src/dht/contact.js';
import { EPOCH_SECONDS, epochAt, epochEndSeconds } from '../../../src/dht/position.js';
import { verifyContact } from '../../../src/dht/verified-contact.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';

const test = suite('contacts read and verified');
const random = new SeededRandom('verified-contact.test');
const NOW = 1_800_000_000;

function contact(change: Partial<UnverifiedContact> = {}): UnverifiedContact {
  const identity = random.bytes(32);
  const proof = { epoch: epochAt(identity, NOW), nonce: random.bytes(8) };
  const addresses = { ipv4: '10.1.2.3', ipv6: '2001:db8::1', port: 3000 };
  return { id: identity.toString('hex'), identity, key: random.bytes(32), proof, ...addresses, ...change };
}

function bytesOf(one: UnverifiedContact): Buffer {
  const writer = new ByteWriter();
  writeContact(writer, one);
  return writer.done();
}

test('what is written is read again, for every set of addresses, and equal bytes are one object', () => {
  for (const change of [{}, { ipv4: null }, { ipv6: null }, { ipv4: null, ipv6: null }, { port: 65_535 }]) {
    const one = contact(change);
    const bytes = bytesOf(one);
    const read = readContact(new ByteReader(bytes));
    assert.equal(read, one);
    assert.is(readContact(new ByteReader(Buffer.from(bytes))), read);
    assert.equal(bytesOf(read), bytes);
    assert.equal(
      bytesOf({ ...read, port: 4 }),
      bytesOf({ ...one, port: 4 }),
      'a changed copy is written anew',
    );
  }
});

test('any other byte makes another contact', () => {
  const bytes = bytesOf(contact());
  const read = readContact(new ByteReader(bytes));
  for (let at = 1; at < bytes.length; at++) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] as number) ^ 1;
    assert.is.not(readContact(new ByteReader(altered)), read);
  }
});

test('a verified contact is the same object each time; an implausible one is never verified', () => {
  const one = contact();
  const verified = verifyContact(one, NOW, 0);
  assert.ok(verified);
  assert.is(verifyContact(one, NOW + 60, 0), verified);
  assert.is(verifyContact(verified as UnverifiedContact, NOW + 7_000, 0), verified);
  for (const change of [{ ipv4: '0.1.2.3' }, { ipv4: '224.0.0.1' }, { ipv6: 'ff02::1' }, { ipv6: '::' }]) {
    assert.is(verifyContact(contact(change), NOW, 0), null);
  }
});

test('a contact in use is not good beyond its epoch, and one of an easier puzzle not for a harder one', () => {
  const one = contact();
  assert.ok(verifyContact(one, NOW, 0));
  const endSeconds = epochEndSeconds(one.identity, NOW);
  assert.ok(verifyContact(one, endSeconds + 3_000, 0));
  assert.is(verifyContact(one, endSeconds + 3_700, 0), null);
  assert.is(verifyContact(one, NOW + 2 * EPOCH_SECONDS, 0), null);
  assert.is(verifyContact(one, NOW, 200), null);
});

test.run();
