/**
 * Role: makes test/vectors/certificates.json, which TypeScript and Rust read:
 * `node dist/test/support/certificate-vectors.js > test/vectors/certificates.json`.
 *
 * Invariants: certificates are put together from the documented layout, not by src/identity, so that a
 * mistake there does not make its own proof. Each invalid one fails for one reason only, unless it says so.
 *
 * Not here: the tests that read the file.
 */

import { constants, createHash, type KeyObject, sign } from 'node:crypto';
import { testHostkey } from './hostkeys.js';

const NOW = 1_800_000_000;
const DAY = 86_400;
const SIGNED = 562;

interface Recipe {
  readonly version?: number;
  readonly purpose: number;
  readonly modulus: Buffer;
  readonly key: Buffer;
  readonly expiry: bigint;
}

interface Vector {
  readonly comment: string;
  readonly purpose: 'dht' | 'kx-link' | 'kx-hop';
  readonly nowSeconds: number;
  readonly certificate: string;
  readonly result: string;
  readonly identity?: string;
  readonly key?: string;
}

function body(recipe: Recipe, work = true): Buffer {
  const bytes = Buffer.alloc(SIGNED);
  bytes[0] = recipe.version ?? 1;
  bytes[1] = recipe.purpose;
  recipe.modulus.copy(bytes, 2);
  recipe.key.copy(bytes, 514);
  bytes.writeBigUInt64BE(recipe.expiry, 546);
  for (let nonce = 0n; ; nonce += 1n) {
    bytes.writeBigUInt64BE(nonce, 554);
    if (hasWork(bytes) === work) return bytes;
  }
}

function hasWork(bytes: Buffer): boolean {
  const digest = createHash('sha256').update('peer certificate work v1').update(bytes).digest();
  return digest[0] === 0 && digest[1] === 0;
}

function signed(
  bytes: Buffer,
  key: KeyObject,
  how: { hash?: string; salt?: number; pkcs1?: boolean } = {},
): Buffer {
  const { hash = 'sha256', salt = 32, pkcs1 = false } = how;
  const options = pkcs1
    ? { key, padding: constants.RSA_PKCS1_PADDING }
    : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: salt };
  const message = Buffer.concat([Buffer.from('peer certificate v1', 'ascii'), bytes]);
  return Buffer.concat([bytes, sign(hash, message, options)]);
}

function identityOf(key: KeyObject, modulus: Buffer): string {
  const head = '30820222300d06092a864886f70d01010105000382020f003082020a0282020100';
  const spki = Buffer.concat([Buffer.from(head, 'hex'), modulus, Buffer.from('0203010001', 'hex')]);
  if (key.asymmetricKeyDetails?.publicExponent !== 65_537n) throw new Error('unexpected exponent');
  return createHash('sha256').update(spki).digest('hex');
}

async function vectors(): Promise<Vector[]> {
  const [first, second] = await Promise.all([testHostkey(0), testHostkey(1)]);
  const x25519 = createHash('sha256').update('first key').digest();
  const other = createHash('sha256').update('second key').digest();
  const good = { purpose: 1, modulus: first.modulus, key: x25519, expiry: BigInt(NOW + 30 * DAY) };
  const certificate = signed(body(good), first.privateKey);
  const out: Vector[] = [];
  const add = (comment: string, bytes: Buffer, result: string, purpose: Vector['purpose'] = 'dht') => {
    const base = { comment, purpose, nowSeconds: NOW, certificate: bytes.toString('hex'), result };
    if (result !== 'ok') {
      out.push(base);
      return;
    }
    const owner = bytes.subarray(2, 514).equals(first.modulus) ? first : second;
    const identity = identityOf(owner.privateKey, owner.modulus);
    out.push({ ...base, identity, key: bytes.subarray(514, 546).toString('hex') });
  };
  const make = (change: Partial<Recipe>) => signed(body({ ...good, ...change }), first.privateKey);
  const alter = (offset: number, mask: number, from = certificate) => {
    const copy = Buffer.from(from);
    copy[offset] = (copy[offset] ?? 0) ^ mask;
    return copy;
  };

  add('valid, dht', certificate, 'ok');
  add('valid, kx-link', make({ purpose: 2, key: other }), 'ok', 'kx-link');
  add('valid, kx-hop', make({ purpose: 3 }), 'ok', 'kx-hop');
  const bySecond = { ...good, modulus: second.modulus, key: other, purpose: 2 };
  add('valid, another hostkey', signed(body(bySecond), second.privateKey), 'ok', 'kx-link');
  add('valid for one more second', make({ expiry: BigInt(NOW + 1) }), 'ok');
  add('valid for exactly 31 days', make({ expiry: BigInt(NOW + 31 * DAY) }), 'ok');

  add('empty', Buffer.alloc(0), 'certificate-malformed');
  add('one byte short', certificate.subarray(0, 1_073), 'certificate-malformed');
  add('one byte long', Buffer.concat([certificate, Buffer.alloc(1)]), 'certificate-malformed');
  add('version 0', make({ version: 0 }), 'certificate-malformed');
  add('version 2', make({ version: 2 }), 'certificate-malformed');
  const low = Buffer.from(first.modulus);
  low[0] = (low[0] ?? 0) & 0x7f;
  add('top bit of the modulus is clear', make({ modulus: low }), 'certificate-malformed');
  const even = Buffer.from(first.modulus);
  even[511] = (even[511] ?? 0) & 0xfe;
  add('modulus is even', make({ modulus: even }), 'certificate-malformed');
  add('all zero', Buffer.alloc(1_074), 'certificate-malformed');

  add('purpose dht where kx-link is wanted', certificate, 'certificate-purpose', 'kx-link');
  add('purpose kx-link where kx-hop is wanted', make({ purpose: 2 }), 'certificate-purpose', 'kx-hop');
  add('purpose 0', make({ purpose: 0 }), 'certificate-purpose');
  add('purpose 9', make({ purpose: 9 }), 'certificate-purpose');

  add('expires now', make({ expiry: BigInt(NOW) }), 'certificate-expired');
  add('expired long ago', make({ expiry: 0n }), 'certificate-expired');
  add('valid for 31 days and a second', make({ expiry: BigInt(NOW + 31 * DAY + 1) }), 'certificate-expired');
  add('expiry is the largest number', make({ expiry: 2n ** 64n - 1n }), 'certificate-expired');

  add('no work', signed(body(good, false), first.privateKey), 'certificate-work');
  add('key altered, work not redone', alter(514, 1), 'certificate-work');

  add('last bit of the signature altered', alter(1_073, 1), 'certificate-signature');
  add('first bit of the signature altered', alter(562, 0x80), 'certificate-signature');
  add('signature is zero', Buffer.concat([body(good), Buffer.alloc(512)]), 'certificate-signature');
  add('signature is all ones', Buffer.concat([body(good), Buffer.alloc(512, 0xff)]), 'certificate-signature');
  add('signed by another hostkey', signed(body(good), second.privateKey), 'certificate-signature');
  const signature = certificate.subarray(SIGNED);
  const moved = Buffer.concat([body({ ...good, key: other }), signature]);
  add('signature of another key, work redone', moved, 'certificate-signature');
  const later = Buffer.concat([body({ ...good, expiry: good.expiry - 1n }), signature]);
  add('signature of another expiry, work redone', later, 'certificate-signature');
  add('PKCS #1 v1.5', signed(body(good), first.privateKey, { pkcs1: true }), 'certificate-signature');
  add('PSS with SHA-512', signed(body(good), first.privateKey, { hash: 'sha512' }), 'certificate-signature');
  add('PSS without salt', signed(body(good), first.privateKey, { salt: 0 }), 'certificate-signature');
  add(
    'PSS with a salt of 20 bytes',
    signed(body(good), first.privateKey, { salt: 20 }),
    'certificate-signature',
  );
  const random = createHash('sha512').update('modulus').digest();
  const foreign = Buffer.concat(Array.from({ length: 8 }, () => random));
  foreign[0] = (foreign[0] ?? 0) | 0x80;
  foreign[511] = (foreign[511] ?? 0) | 1;
  const strange = Buffer.concat([body({ ...good, modulus: foreign }), signature]);
  add('modulus is some odd number', strange, 'certificate-signature');
  return out;
}

const file = {
  description:
    'Certificates. Checks in this order: length, version, top bit and oddness of the modulus (malformed); ' +
    'purpose; expiry; proof of work; signature. identity and key are there where the result is ok.',
  vectors: await vectors(),
};
process.stdout.write(`${JSON.stringify(file, null, 1)}\n`);
