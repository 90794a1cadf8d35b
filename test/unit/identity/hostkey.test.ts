/** Role: hostkeys: what is accepted, and the identity that follows. */

import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../src/errors.js';
import {
  identityOfModulus,
  loadHostkey,
  parseHostkey,
  pkcs1OfModulus,
} from '../../../src/identity/hostkey.js';
import { testHostkey, testHostkeyPath } from '../../support/hostkeys.js';

const isHostkeyError = (error: unknown) => error instanceof PeerError && error.code === 'hostkey';
const rsa = (modulusLength: number, publicExponent: number) =>
  generateKeyPairSync('rsa', {
    modulusLength,
    publicExponent,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey;

const hostkeys = suite('hostkey');
hostkeys('the identity is the SHA-256 of the DER SubjectPublicKeyInfo', async () => {
  const { privateKey, modulus, identity } = await testHostkey(0);
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  assert.equal(pkcs1OfModulus(modulus), publicKey.export({ type: 'pkcs1', format: 'der' }));
  assert.equal(identity, createHash('sha256').update(spki).digest());
  assert.equal(identityOfModulus(modulus), identity);
  assert.is(modulus.length, 512);
});
hostkeys('a key of other size is refused', () => {
  assert.throws(() => parseHostkey(rsa(2048, 65_537), 'k'), isHostkeyError);
});
hostkeys('a key of another kind is refused', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  assert.throws(() => parseHostkey(pem, 'k'), isHostkeyError);
});
hostkeys('a public key, rubbish and nothing are refused', async () => {
  const { privateKey } = await testHostkey(0);
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  for (const pem of [
    publicPem,
    'rubbish',
    '',
    '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
  ]) {
    assert.throws(() => parseHostkey(pem, 'k'), isHostkeyError);
  }
});
hostkeys('a file that is not there is an error with a remedy', async () => {
  try {
    await loadHostkey('/nonexistent/hostkey.pem');
    assert.unreachable();
  } catch (error) {
    assert.ok(isHostkeyError(error));
    assert.match((error as PeerError).remedy ?? '', 'peer init');
  }
});
hostkeys('a file that others may read gives a warning', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-hostkey-'));
  try {
    const path = join(directory, 'k.pem');
    writeFileSync(path, readFileSync(await testHostkeyPath(0)), { mode: 0o600 });
    assert.equal((await loadHostkey(path)).warnings, []);
    chmodSync(path, 0o640);
    assert.match((await loadHostkey(path)).warnings.join(), 'chmod 600');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
hostkeys.run();
