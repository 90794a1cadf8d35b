import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createNoiseKeyPair, deriveKey, noiseKeyPairOf } from '../../../src/identity/noise-keys.js';

const test = suite('noise keys');

test('labels give independent sub-keys, the same each time', () => {
  const secret = Buffer.alloc(32, 1);
  assert.equal(deriveKey(secret, 'a'), deriveKey(secret, 'a'));
  assert.not.equal(deriveKey(secret, 'a'), deriveKey(secret, 'b'));
  assert.is(deriveKey(secret, 'a').length, 32);
});

test('a key pair follows from its secret key, and each new one is another', () => {
  const [one, other] = [createNoiseKeyPair(), createNoiseKeyPair()];
  assert.equal(noiseKeyPairOf(one.secretKey), one);
  assert.not.equal(one.publicKey, other.publicKey);
});

test.run();
