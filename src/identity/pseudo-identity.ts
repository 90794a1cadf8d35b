/**
 * Role: pseudo-identities: Ed25519 keys under which a person can be called, and their text form.
 *
 * Text form: base32 of version u8 (= 1) ‖ public key 32 ‖ checksum 3, where the checksum is the first bytes
 * of SHA-256("peer pseudo-identity v1" ‖ version ‖ key): 58 characters.
 *
 * Each has a mark, one byte in the middle of its key: keys are made until one has it (docs/decisions/0098). So a DHT node
 * sees from a key whether anything signed may be stored under it.
 *
 * Invariants: a typing error is found before anything is sent; non-canonical points, points of small
 * order and keys without the mark are refused wherever a public key comes in.
 *
 * Not here: storage (pseudo-identity-store.ts), signed DHT values (signed-value.ts), contacts.
 */

import { createHash } from 'node:crypto';
import sodium from 'sodium-native';
import { PeerError } from '../errors.js';
import { fromBase32, toBase32 } from './base32.js';

const VERSION = 1;
const CHECKSUM_BYTES = 3;
const TEXT_BYTES = 1 + 32 + CHECKSUM_BYTES;
/** Characters of the text form. */
export const PSEUDO_IDENTITY_CHARACTERS = Math.ceil((TEXT_BYTES * 8) / 5);
/** Byte of the key that is the mark, and its value. Neither the first bytes, which say where in the DHT it is, nor the last one, which has the sign. */
const MARK_AT = 16;
const MARK = 0x70;
const CHECKSUM_DOMAIN = Buffer.from('peer pseudo-identity v1', 'ascii');

/** What an owner may call one; safe as a file name. */
export const IDENTITY_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/i;

export interface PseudoIdentity {
  /** Ed25519, 32 bytes: the pseudo-identity itself, and its DHT key. */
  readonly publicKey: Buffer;
  /** Ed25519 as libsodium has it (seed ‖ public key), 64 bytes; never logged. */
  readonly secretKey: Buffer;
}

/**
 * Some 256 keys are made for one with the mark: 5 to 10 ms.
 * @param newSeed fills its 32 bytes with the next seed to try; all secrecy is in it
 */
export function generatePseudoIdentity(
  newSeed: (seed: Buffer) => void = (seed) => sodium.randombytes_buf(seed),
): PseudoIdentity {
  const seed = Buffer.alloc(32);
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  do {
    newSeed(seed);
    sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  } while (!hasMark(publicKey));
  sodium.sodium_memzero(seed);
  return { publicKey, secretKey };
}

/** `seed` has 32 bytes and is the whole secret: that of a pseudo-identity that was generated. Errors: 'identity-key' (no mark). */
export function pseudoIdentityFromSeed(seed: Buffer): PseudoIdentity {
  if (seed.length !== 32) throw new RangeError(`a seed has 32 bytes, this has ${seed.length}`);
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  requireValid(publicKey);
  return { publicKey, secretKey };
}

/** Whether something that is signed by this key (32 bytes) counts under it. Of other keys one in 256 has the mark, too. */
export function hasMark(publicKey: Buffer): boolean {
  return publicKey[MARK_AT] === MARK;
}

export function formatPseudoIdentity(publicKey: Buffer): string {
  if (publicKey.length !== 32)
    throw new RangeError(`a pseudo-identity has 32 bytes, this has ${publicKey.length}`);
  return toBase32(Buffer.concat([Buffer.of(VERSION), publicKey, checksum(publicKey)]));
}

/**
 * The public key (32 bytes). Upper case, blanks and hyphens are allowed.
 *
 * Errors: 'identity-character', 'identity-length', 'identity-typo' (the checksum does not fit),
 * 'identity-version', 'identity-key' (not a valid point, or without the mark).
 */
export function parsePseudoIdentity(text: string): Buffer {
  const clean = text.replace(/[\s-]/g, '').toLowerCase();
  const wrong = /[^a-z2-7]/.exec(clean);
  if (wrong !== null) {
    const hint = '018'.includes(wrong[0]) ? ' (0, 1 and 8 never occur: perhaps o, l or b)' : '';
    throw new PeerError('identity-character', `"${wrong[0]}" cannot be in a pseudo-identity${hint}`, {
      remedy: 'copy it again: it has only letters and the digits 2 to 7',
    });
  }
  if (clean.length !== PSEUDO_IDENTITY_CHARACTERS) {
    const remedy = 'copy it again as a whole';
    const message = `a pseudo-identity has ${PSEUDO_IDENTITY_CHARACTERS} characters, this has ${clean.length}`;
    throw new PeerError('identity-length', message, { remedy });
  }
  const bytes = fromBase32(clean);
  const publicKey = bytes?.subarray(1, 33);
  if (
    bytes === null ||
    publicKey === undefined ||
    !checksum(publicKey, bytes[0]).equals(bytes.subarray(33))
  ) {
    throw new PeerError(
      'identity-typo',
      'this pseudo-identity has a typing error: its checksum does not fit',
      {
        remedy: 'compare it character by character with the original, or copy it again',
      },
    );
  }
  if (bytes[0] !== VERSION) {
    throw new PeerError(
      'identity-version',
      `this pseudo-identity has version ${bytes[0]}, known is ${VERSION}`,
      {
        remedy: 'install a newer version of this program',
      },
    );
  }
  requireValid(publicKey);
  return Buffer.from(publicKey);
}

/** True for canonical encodings of points of the prime-order group that have the mark. Total. */
export function isValidPseudoIdentity(publicKey: Buffer): boolean {
  return (
    publicKey.length === 32 && hasMark(publicKey) && sodium.crypto_core_ed25519_is_valid_point(publicKey)
  );
}

/** 64 bytes. */
export function signDetached(message: Buffer, secretKey: Buffer): Buffer {
  const signature = Buffer.alloc(64);
  sodium.crypto_sign_detached(signature, message, secretKey);
  return signature;
}

/** Total: false for anything that is not a valid signature under a valid key. */
export function verifyDetached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean {
  return (
    signature.length === 64 &&
    isValidPseudoIdentity(publicKey) &&
    sodium.crypto_sign_verify_detached(signature, message, publicKey)
  );
}

/** X25519 public key (32 bytes) of a pseudo-identity. Errors: 'identity-key'. */
export function toX25519PublicKey(publicKey: Buffer): Buffer {
  requireValid(publicKey);
  const out = Buffer.alloc(32);
  sodium.crypto_sign_ed25519_pk_to_curve25519(out, publicKey);
  return out;
}

/** X25519 secret key (32 bytes) of a pseudo-identity's secret key (64 bytes). */
export function toX25519SecretKey(secretKey: Buffer): Buffer {
  const out = Buffer.alloc(32);
  sodium.crypto_sign_ed25519_sk_to_curve25519(out, secretKey);
  return out;
}

function requireValid(publicKey: Buffer): void {
  if (!isValidPseudoIdentity(publicKey)) {
    throw new PeerError(
      'identity-key',
      'this is no valid pseudo-identity, or one that an earlier version made',
      {
        remedy: 'ask its owner for the right one',
      },
    );
  }
}

function checksum(publicKey: Buffer, version: number = VERSION): Buffer {
  const hash = createHash('sha256').update(CHECKSUM_DOMAIN).update(Buffer.of(version)).update(publicKey);
  return hash.digest().subarray(0, CHECKSUM_BYTES);
}
