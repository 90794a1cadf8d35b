/**
 * Role: the hostkey of a peer (Spec 1): RSA 4096, PEM on disk, and the peer identity that follows from it.
 *
 * Invariants: exactly 4096 bits and public exponent 65537; peer identity = SHA-256 of the DER
 * SubjectPublicKeyInfo, so it follows from the 512 bytes of the modulus alone.
 *
 * Not here: certificates by the hostkey (certificate.ts).
 */

import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { PeerError } from '../errors.js';
import { isWidelyReadable } from '../private-files.js';

export const MODULUS_BYTES = 512;
const EXPONENT = 65_537n;

/** Everything of the DER RSAPublicKey (PKCS #1) that stands before the modulus of an RSA-4096 key. */
const PKCS1_HEAD = Buffer.from(
  '3082020a' + // SEQUENCE, 522 bytes
    '0282020100', // INTEGER, 513 bytes: a zero because the top bit of the modulus is set
  'hex',
);
/** INTEGER 65537. */
const PKCS1_TAIL = Buffer.from('0203010001', 'hex');
/** What the DER SubjectPublicKeyInfo has before that. */
const SPKI_HEAD = Buffer.from(
  '30820222' + // SEQUENCE, 546 bytes
    '300d06092a864886f70d0101010500' + // AlgorithmIdentifier: rsaEncryption, NULL
    '0382020f00', // BIT STRING, 527 bytes, no unused bits
  'hex',
);

export interface Hostkey {
  readonly privateKey: KeyObject;
  /** 512 bytes, big-endian. */
  readonly modulus: Buffer;
  /** 32 bytes: the peer identity. */
  readonly identity: Buffer;
  /** What the person should know about the file, such as a mode that is too wide. */
  readonly warnings: readonly string[];
}

/** A new hostkey as PKCS#8 PEM. Takes one to three seconds of a core, off the main thread. */
export async function generateHostkeyPem(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 4096,
    publicExponent: Number(EXPONENT),
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

/** Errors: 'hostkey' (unreadable, no PEM, not RSA 4096 with exponent 65537). */
export async function loadHostkey(path: string): Promise<Hostkey> {
  let pem: string;
  const warnings: string[] = [];
  try {
    pem = await readFile(path, 'utf8');
    if (isWidelyReadable((await stat(path)).mode)) {
      warnings.push(`others may read the hostkey ${path}; close it with: chmod 600 ${path}`);
    }
  } catch (error) {
    throw new PeerError('hostkey', `cannot read the hostkey ${path}: ${(error as Error).message}`, {
      cause: error,
      remedy: 'correct HOSTKEY in the config file, or make a new peer with: peer init DIR',
    });
  }
  return { ...parseHostkey(pem, path), warnings };
}

/** `origin` names the key in error messages. Errors: 'hostkey'. */
export function parseHostkey(pem: string, origin: string): Omit<Hostkey, 'warnings'> {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (error) {
    throw new PeerError('hostkey', `${origin} holds no private key in PEM form without passphrase`, {
      cause: error,
      remedy: 'give an RSA key of 4096 bits in PEM form as HOSTKEY',
    });
  }
  const details = privateKey.asymmetricKeyDetails;
  if (
    privateKey.asymmetricKeyType !== 'rsa' ||
    details?.modulusLength !== 4096 ||
    details.publicExponent !== EXPONENT
  ) {
    const found =
      privateKey.asymmetricKeyType === 'rsa'
        ? `RSA with ${details?.modulusLength} bits and exponent ${details?.publicExponent}`
        : privateKey.asymmetricKeyType;
    throw new PeerError(
      'hostkey',
      `${origin} is not an RSA key of 4096 bits with exponent 65537, but ${found}`,
      {
        remedy: 'make a new hostkey with: peer init DIR',
      },
    );
  }
  const { n } = createPublicKey(privateKey).export({ format: 'jwk' });
  const modulus = Buffer.from(n ?? '', 'base64url');
  return { privateKey, modulus, identity: identityOfModulus(modulus) };
}

/**
 * Peer identity (32 bytes) of the RSA key with this modulus (512 bytes, top bit set) and exponent 65537.
 *
 * Throws RangeError for any other length.
 */
export function identityOfModulus(modulus: Buffer): Buffer {
  return createHash('sha256').update(SPKI_HEAD).update(pkcs1OfModulus(modulus)).digest();
}

/** DER RSAPublicKey of that key, which OpenSSL reads in a thirtieth of the time of a SubjectPublicKeyInfo. */
export function pkcs1OfModulus(modulus: Buffer): Buffer {
  if (modulus.length !== MODULUS_BYTES || ((modulus[0] ?? 0) & 0x80) === 0) {
    throw new RangeError('the modulus must have exactly 4096 bits');
  }
  return Buffer.concat([PKCS1_HEAD, modulus, PKCS1_TAIL]);
}
