/**
 * Role: a pseudo-identity as a file that a passphrase seals: to carry elsewhere, or as it is kept.
 *
 * JSON: the seed under XChaCha20-Poly1305 with a key by Argon2id (libsodium's `crypto_pwhash`), whose cost stands in the file; name and public key
 * are the additional data, so nobody can give it another name. Whoever has the file sees whose it is, and can try passphrases.
 *
 * Invariants: parsing is total; a file that asks for more memory or time than any of ours is refused before it gets them.
 *
 * Not here: where identities are kept (pseudo-identity-store.ts).
 */

import sodium from 'sodium-native';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { formatPseudoIdentity, IDENTITY_NAME, pseudoIdentityFromSeed } from './pseudo-identity.js';
import type { IdentityView, NamedPseudoIdentity } from './pseudo-identity-store.js';

/** Of new files: about a second, 256 MiB. */
const COST = { opslimit: 3, memlimit: 256 * 1024 * 1024 };
const MOST_COST = { opslimit: 16, memlimit: 1024 * 1024 * 1024 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const SEED_BYTES = 32;

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)));
const cost = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));
const FileSchema = v.object({
  peer: v.literal('pseudo-identity'),
  version: v.literal(1),
  name: v.pipe(v.string(), v.regex(IDENTITY_NAME)),
  id: v.string(),
  createdSeconds: v.pipe(v.number(), v.integer()),
  opslimit: cost(MOST_COST.opslimit),
  memlimit: v.pipe(cost(MOST_COST.memlimit), v.minValue(8_192)),
  salt: hex(SALT_BYTES),
  nonce: hex(NONCE_BYTES),
  sealed: hex(SEED_BYTES + TAG_BYTES),
});

/** @param passphrase not empty */
export function sealIdentity(identity: NamedPseudoIdentity, passphrase: string): string {
  const { name, createdSeconds, publicKey, secretKey } = identity;
  const [salt, nonce] = [Buffer.alloc(SALT_BYTES), Buffer.alloc(NONCE_BYTES)];
  sodium.randombytes_buf(salt);
  sodium.randombytes_buf(nonce);
  const id = formatPseudoIdentity(publicKey);
  const key = deriveFrom(passphrase, salt, COST);
  const seed = secretKey.subarray(0, SEED_BYTES);
  const sealed = Buffer.alloc(SEED_BYTES + TAG_BYTES);
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, seed, bound(name, id), null, nonce, key);
  sodium.sodium_memzero(key);
  const texts = Object.fromEntries(
    Object.entries({ salt, nonce, sealed }).map(([field, bytes]) => [field, bytes.toString('hex')]),
  );
  return `${JSON.stringify({ peer: 'pseudo-identity', version: 1, name, id, createdSeconds, ...COST, ...texts }, null, 2)}\n`;
}

/** Errors: 'sealed-identity' (no such file), 'passphrase' (wrong, or the file was altered). */
export function openSealedIdentity(text: string, passphrase: string): NamedPseudoIdentity {
  const { name, id, createdSeconds, opslimit, memlimit, salt, nonce, sealed } = parse(text);
  const key = deriveFrom(passphrase, Buffer.from(salt, 'hex'), { opslimit, memlimit });
  const seed = Buffer.alloc(SEED_BYTES);
  try {
    const [box, number] = [Buffer.from(sealed, 'hex'), Buffer.from(nonce, 'hex')];
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(seed, null, box, bound(name, id), number, key);
  } catch (cause) {
    throw new PeerError('passphrase', 'the passphrase is wrong, or the file was altered', { cause });
  } finally {
    sodium.sodium_memzero(key);
  }
  const identity = pseudoIdentityFromSeed(seed);
  sodium.sodium_memzero(seed);
  if (formatPseudoIdentity(identity.publicKey) !== id)
    throw new PeerError('sealed-identity', 'the file is damaged: its keys do not belong together');
  return { ...identity, name, createdSeconds };
}

/** What stands in the file for everybody to read. Errors: 'sealed-identity'. */
export function readSealedIdentity(text: string): IdentityView {
  const { name, id, createdSeconds } = parse(text);
  return { name, id, createdSeconds };
}

function parse(text: string): v.InferOutput<typeof FileSchema> {
  try {
    return v.parse(FileSchema, JSON.parse(text));
  } catch (cause) {
    throw new PeerError('sealed-identity', 'this is no exported pseudo-identity, or it is damaged', {
      cause,
      remedy: 'peer id export makes such files',
    });
  }
}

function deriveFrom(passphrase: string, salt: Buffer, cost: typeof COST): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  const secret = Buffer.from(passphrase.normalize('NFC'), 'utf8');
  const { opslimit, memlimit } = cost;
  sodium.crypto_pwhash(key, secret, salt, opslimit, memlimit, sodium.crypto_pwhash_ALG_ARGON2ID13);
  sodium.sodium_memzero(secret);
  return key;
}

function bound(name: string, id: string): Buffer {
  return Buffer.from(JSON.stringify(['peer pseudo-identity v1', name, id]), 'utf8');
}
