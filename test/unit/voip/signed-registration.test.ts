import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pseudoIdentityFromSeed } from '../../../src/identity/pseudo-identity.js';
import { signRegistration } from '../../../src/voip/signed-registration.js';

const test = suite('signed registration');
const vectors = new URL('../../../../test/vectors/registrations.json', import.meta.url);
const hex = (text: string) => Buffer.from(text, 'hex');

/** The same file is read by crates/kx/tests/registrations.rs. */
test('known signatures', () => {
  for (const vector of JSON.parse(readFileSync(vectors, 'utf8')).vectors) {
    const owner = pseudoIdentityFromSeed(hex(vector.ownerSeed));
    assert.equal(owner.publicKey, hex(vector.pseudoIdentity));
    const [time, expiry] = [BigInt(vector.time), BigInt(vector.expiry)];
    const terms = { exchangePoint: hex(vector.exchangePoint), time, expiry };
    const signed = signRegistration(owner, terms, hex(vector.secret));
    assert.equal(signed, { secret: hex(vector.secret), time, expiry, signature: hex(vector.signature) });
  }
});

test.run();
