/** Role: pseudo-identities: text form, points, store. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sodium from 'sodium-native';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../src/errors.js';
import { fromBase32, toBase32 } from '../../../src/identity/base32.js';
import {
  formatPseudoIdentity,
  generatePseudoIdentity,
  hasMark,
  isValidPseudoIdentity,
  parsePseudoIdentity,
  pseudoIdentityFromSeed,
  signDetached,
  toX25519PublicKey,
  toX25519SecretKey,
  verifyDetached,
} from '../../../src/identity/pseudo-identity.js';
import { PseudoIdentityStore, publicView } from '../../../src/identity/pseudo-identity-store.js';

let tried = 0;
const fixed = generatePseudoIdentity((seed) => {
  tried += 1;
  seed.writeUInt32BE(tried);
});
const code = (action: () => unknown): string => {
  try {
    action();
    return 'ok';
  } catch (error) {
    if (error instanceof PeerError) return error.code;
    throw error;
  }
};

const text = suite('text form');
text('base32 is that of RFC 4648 without padding', () => {
  const samples = {
    '': '',
    f: 'my',
    fo: 'mzxq',
    foo: 'mzxw6',
    foob: 'mzxw6yq',
    fooba: 'mzxw6ytb',
    foobar: 'mzxw6ytboi',
  };
  for (const [plain, encoded] of Object.entries(samples)) {
    assert.is(toBase32(Buffer.from(plain)), encoded);
    assert.is(fromBase32(encoded)?.toString(), plain);
  }
});
text('one byte string has one base32 text', () => {
  for (const wrong of ['mz', 'a', 'mzx', 'MY', 'm1', 'my======']) assert.is(fromBase32(wrong), null, wrong);
});
text('has 58 characters and reads back, in any case and with blanks and hyphens', () => {
  const form = formatPseudoIdentity(fixed.publicKey);
  assert.is(form.length, 58);
  const spaced = form
    .toUpperCase()
    .replace(/(.{5})/g, '$1-')
    .replace(/(.{24})/g, '$1 ');
  for (const variant of [form, form.toUpperCase(), spaced, `  ${form}\n`]) {
    assert.equal(parsePseudoIdentity(variant), fixed.publicKey);
  }
});
text('every single typing error and swap is found', () => {
  const form = formatPseudoIdentity(fixed.publicKey);
  fc.assert(
    fc.property(fc.nat(57), fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567'), (at, letter) => {
      const typed = form.slice(0, at) + letter + form.slice(at + 1);
      assert.is(
        code(() => parsePseudoIdentity(typed)),
        typed === form ? 'ok' : 'identity-typo',
      );
    }),
  );
  fc.assert(
    fc.property(fc.nat(56), (at) => {
      const typed = form.slice(0, at) + form[at + 1] + form[at] + form.slice(at + 2);
      assert.is(
        code(() => parsePseudoIdentity(typed)),
        typed === form ? 'ok' : 'identity-typo',
      );
    }),
  );
});
text('a wrong length and a wrong character have codes of their own', () => {
  const form = formatPseudoIdentity(fixed.publicKey);
  assert.is(
    code(() => parsePseudoIdentity(form.slice(1))),
    'identity-length',
  );
  assert.is(
    code(() => parsePseudoIdentity(`${form}a`)),
    'identity-length',
  );
  assert.is(
    code(() => parsePseudoIdentity('')),
    'identity-length',
  );
  assert.is(
    code(() => parsePseudoIdentity(`${form.slice(0, 57)}1`)),
    'identity-character',
  );
  assert.is(
    code(() => parsePseudoIdentity(`${form.slice(0, 57)}ä`)),
    'identity-character',
  );
});
text('arbitrary text never gives another exception', () => {
  fc.assert(
    fc.property(fc.string(), (input) =>
      assert.is.not(
        code(() => parsePseudoIdentity(input)),
        'ok',
      ),
    ),
  );
});
text('a key that is no valid point is refused', () => {
  const form = formatPseudoIdentity(Buffer.from('01'.padEnd(64, '0'), 'hex'));
  assert.is(
    code(() => parsePseudoIdentity(form)),
    'identity-key',
  );
});
text.run();

const points = suite('points');
function unmarked() {
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, Buffer.alloc(32, 1));
  return { publicKey, secretKey };
}
/** The eight points of small order, and encodings of them with y not reduced. */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
];
points('small order and non-canonical encodings are refused', () => {
  for (const hex of SMALL_ORDER) {
    const point = Buffer.from(hex, 'hex');
    assert.not(isValidPseudoIdentity(point), hex);
    assert.is(
      code(() => toX25519PublicKey(point)),
      'identity-key',
    );
    assert.not(verifyDetached(Buffer.alloc(64), Buffer.from('m'), point));
  }
});
points('every pseudo-identity has the mark, and a key without it is none, also where it is a point', () => {
  for (let i = 0; i < 20; i++) assert.ok(hasMark(generatePseudoIdentity().publicKey));
  const { publicKey, secretKey } = unmarked();
  assert.ok(sodium.crypto_core_ed25519_is_valid_point(publicKey));
  assert.not(isValidPseudoIdentity(publicKey));
  assert.is(
    code(() => pseudoIdentityFromSeed(secretKey.subarray(0, 32))),
    'identity-key',
  );
  assert.is(
    code(() => parsePseudoIdentity(formatPseudoIdentity(publicKey))),
    'identity-key',
  );
});
points('both halves of the X25519 conversion belong together', () => {
  const { publicKey, secretKey } = generatePseudoIdentity();
  const derived = Buffer.alloc(32);
  sodium.crypto_scalarmult_base(derived, toX25519SecretKey(secretKey));
  assert.equal(toX25519PublicKey(publicKey), derived);
});
points('signatures hold for message and key, and for nothing else', () => {
  const message = Buffer.from('message');
  const signature = signDetached(message, fixed.secretKey);
  assert.ok(verifyDetached(signature, message, fixed.publicKey));
  assert.not(verifyDetached(signature, Buffer.from('massage'), fixed.publicKey));
  assert.not(verifyDetached(signature, message, generatePseudoIdentity().publicKey));
  assert.not(verifyDetached(signature.subarray(1), message, fixed.publicKey));
});
points.run();

const store = suite<{ directory: string; store: PseudoIdentityStore }>('store');
store.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-store-'));
  context.store = new PseudoIdentityStore(context.directory);
});
store.after.each(({ directory }) => rmSync(directory, { recursive: true }));
const codeOf = (action: Promise<unknown>) =>
  action.then(
    () => 'ok',
    (error: PeerError) => error.code,
  );
store('makes, lists, loads and removes', async ({ store, directory }) => {
  assert.equal(await store.list(), []);
  const work = await store.new('work');
  const home = await store.new('home');
  assert.equal((await store.list()).map(publicView), [publicView(home), publicView(work)]);
  assert.equal(await store.load('work'), work);
  assert.is(statSync(join(directory, 'identities')).mode & 0o777, 0o700);
  assert.is(statSync(join(directory, 'identities/work.json')).mode & 0o777, 0o600);
  await store.remove('work');
  assert.equal(
    (await store.list()).map(({ name }) => name),
    ['home'],
  );
  assert.is(await codeOf(store.load('work')), 'identity-unknown');
  assert.is(await codeOf(store.remove('work')), 'identity-unknown');
});
store('a name is used once', async ({ store }) => {
  await store.new('one');
  assert.is(await codeOf(store.new('one')), 'identity-exists');
});
store('names cannot leave the directory', async ({ store }) => {
  for (const name of ['../x', '', 'a/b', '.x', 'a'.repeat(33), 'a b', 'ä']) {
    assert.is(await codeOf(store.new(name)), 'identity-name', name);
  }
});
store('a damaged file is an error, not a missing identity', async ({ store, directory }) => {
  await store.new('one');
  writeFileSync(join(directory, 'identities/one.json'), '{}');
  assert.is(await codeOf(store.list()), 'identity-file');
});
store(
  'a pseudo-identity of before there were marks is told with what to do',
  async ({ store, directory }) => {
    await store.new('one');
    const { publicKey, secretKey } = unmarked();
    const path = join(directory, 'identities/one.json');
    const [seed, key] = [secretKey.subarray(0, 32).toString('hex'), publicKey.toString('hex')];
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), seed, publicKey: key }));
    const error = await store.load('one').catch((cause: PeerError) => cause);
    assert.instance(error, PeerError);
    assert.match((error as PeerError).message, /earlier version/);
    assert.match((error as PeerError).remedy ?? '', /peer id new/);
  },
);
store('what may be shown has no secret', async ({ store }) => {
  const identity = await store.new('one');
  assert.not.match(JSON.stringify(publicView(identity)), identity.secretKey.subarray(0, 32).toString('hex'));
});
store.run();
