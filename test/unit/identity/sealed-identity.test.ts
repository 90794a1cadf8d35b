/** A pseudo-identity in a sealed file. */

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { openSealedIdentity, sealIdentity } from '../../../src/identity/sealed-identity.js';

const test = suite('sealed identities');
const identity = { ...generatePseudoIdentity(), name: 'family', createdSeconds: 1_700_000_000 };
const sealed = sealIdentity(identity, 'korrekt pferd');

function codeOf(text: string, passphrase = 'korrekt pferd'): string {
  try {
    openSealedIdentity(text, passphrase);
    return 'opened';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('the right passphrase opens it, whichever way its letters are composed', () => {
  assert.equal(openSealedIdentity(sealed, 'korrekt pferd'), identity);
  const composed = sealIdentity(identity, 'caf\u00e9');
  assert.equal(openSealedIdentity(composed, 'cafe\u0301'), identity);
});

test('a wrong passphrase, another name or an altered byte do not', () => {
  assert.is(codeOf(sealed, 'korrekt pferdx'), 'passphrase');
  assert.is(codeOf(sealed.replace('"family"', '"work"')), 'passphrase');
  const file = JSON.parse(sealed);
  const flipped = `${file.sealed[0] === '0' ? '1' : '0'}${file.sealed.slice(1)}`;
  assert.is(codeOf(JSON.stringify({ ...file, sealed: flipped })), 'passphrase');
});

test('a file that asks for too much is refused before it gets it, and garbage is none', () => {
  const file = JSON.parse(sealed);
  for (const wrong of [
    { ...file, memlimit: 2 ** 40 },
    { ...file, opslimit: 1_000 },
    { ...file, memlimit: 1 },
    { ...file, name: '../x' },
    { ...file, salt: '00' },
  ])
    assert.is(codeOf(JSON.stringify(wrong)), 'sealed-identity');
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => codeOf(text) === 'sealed-identity'));
});

test.run();
