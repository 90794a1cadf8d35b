/**
 * Role: certificates by which a hostkey vouches for an X25519 key of one of its modules.
 *
 * Layout (1074 bytes, integers big-endian):
 *   0 version u8 = 1 · 1 purpose u8 · 2 modulus 512 · 514 X25519 key 32 · 546 expiry u64 (unix seconds) ·
 *   554 proof-of-work nonce u64 · 562 signature 512
 *
 * Invariants: the cheap checks come before the RSA verification, so that rubbish costs one hash; a key that
 * is certified for one purpose is worth nothing for another. Rust reads the same bytes and vectors.
 *
 * Not here: caching of verified certificates (their users do that), key files (module-key.ts).
 */

import { constants, createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { PeerError } from '../errors.js';
import { type Hostkey, identityOfModulus, MODULUS_BYTES, pkcs1OfModulus } from './hostkey.js';

export const CERTIFICATE_BYTES = 1_074;
export const CERTIFICATE_VERSION = 1;
/** Longest time a certificate may still be valid for. */
export const MAX_LIFETIME_SECONDS = 31 * 86_400;
/** Leading zero bits of the proof of work. */
export const WORK_BITS = 16;

const PURPOSE_NUMBER = { dht: 1, 'kx-link': 2, 'kx-hop': 3 } as const;
/** What the certified key may be used for. */
export type CertificatePurpose = keyof typeof PURPOSE_NUMBER;

const AT = { version: 0, purpose: 1, modulus: 2, key: 514, expiry: 546, nonce: 554, signature: 562 } as const;
const SIGN_DOMAIN = Buffer.from('peer certificate v1', 'ascii');
const WORK_DOMAIN = Buffer.from('peer certificate work v1', 'ascii');
/** Nonces tried between two turns of the event loop. */
const WORK_BATCH = 4_096;

const signAsync = promisify(sign);

export type CertificateErrorCode =
  | 'certificate-malformed'
  | 'certificate-purpose'
  | 'certificate-expired'
  | 'certificate-work'
  | 'certificate-signature';

export interface VerifiedCertificate {
  /** Peer identity, 32 bytes. */
  readonly identity: Buffer;
  /** X25519 public key, 32 bytes. */
  readonly key: Buffer;
  /** Unix seconds. */
  readonly expirySeconds: number;
}

/** `key` is an X25519 public key (32 bytes), `expirySeconds` unix time. Takes about 50 ms. */
export async function issueCertificate(
  hostkey: Pick<Hostkey, 'privateKey' | 'modulus'>,
  purpose: CertificatePurpose,
  key: Buffer,
  expirySeconds: number,
): Promise<Buffer> {
  if (key.length !== 32) throw new RangeError(`an X25519 key has 32 bytes, this has ${key.length}`);
  const out = Buffer.alloc(CERTIFICATE_BYTES);
  out.writeUInt8(CERTIFICATE_VERSION, AT.version);
  out.writeUInt8(PURPOSE_NUMBER[purpose], AT.purpose);
  hostkey.modulus.copy(out, AT.modulus);
  key.copy(out, AT.key);
  out.writeBigUInt64BE(BigInt(expirySeconds), AT.expiry);
  await findNonce(out);
  const signature = await signAsync('sha256', signedBytes(out), pss(hostkey.privateKey));
  signature.copy(out, AT.signature);
  return out;
}

/** Throws PeerError with a {@link CertificateErrorCode}. `nowSeconds` is unix time. */
export function verifyCertificate(
  bytes: Buffer,
  purpose: CertificatePurpose,
  nowSeconds: number,
): VerifiedCertificate {
  if (bytes.length !== CERTIFICATE_BYTES) {
    throw fault(
      'certificate-malformed',
      `a certificate has ${CERTIFICATE_BYTES} bytes, this has ${bytes.length}`,
    );
  }
  if (bytes[AT.version] !== CERTIFICATE_VERSION) {
    throw fault('certificate-malformed', `unknown version ${bytes[AT.version]} of a certificate`);
  }
  const modulus = Buffer.from(bytes.subarray(AT.modulus, AT.modulus + MODULUS_BYTES));
  if (((modulus[0] ?? 0) & 0x80) === 0 || ((modulus[MODULUS_BYTES - 1] ?? 0) & 1) === 0) {
    throw fault('certificate-malformed', 'the modulus of a certificate is not an odd number of 4096 bits');
  }
  if (bytes[AT.purpose] !== PURPOSE_NUMBER[purpose]) {
    throw fault('certificate-purpose', `a certificate for ${purpose} is wanted, this is for another purpose`);
  }
  const expiry = bytes.readBigUInt64BE(AT.expiry);
  if (expiry <= BigInt(nowSeconds)) throw fault('certificate-expired', 'the certificate has expired');
  if (expiry > BigInt(nowSeconds + MAX_LIFETIME_SECONDS)) {
    throw fault('certificate-expired', 'the certificate is valid for longer than 31 days');
  }
  if (!hasWork(bytes)) throw fault('certificate-work', 'the proof of work of a certificate does not hold');
  if (!signatureHolds(bytes, modulus)) {
    throw fault('certificate-signature', 'the signature of a certificate does not hold');
  }
  return {
    identity: identityOfModulus(modulus),
    key: Buffer.from(bytes.subarray(AT.key, AT.key + 32)),
    expirySeconds: Number(expiry),
  };
}

async function findNonce(certificate: Buffer): Promise<void> {
  for (let nonce = 0n; ; nonce += 1n) {
    certificate.writeBigUInt64BE(nonce, AT.nonce);
    if (hasWork(certificate)) return;
    if (nonce % BigInt(WORK_BATCH) === 0n) await new Promise((resolve) => setImmediate(resolve));
  }
}

function hasWork(certificate: Buffer): boolean {
  const digest = createHash('sha256')
    .update(WORK_DOMAIN)
    .update(certificate.subarray(0, AT.signature))
    .digest();
  return digest.readUInt32BE(0) >>> (32 - WORK_BITS) === 0;
}

function signatureHolds(certificate: Buffer, modulus: Buffer): boolean {
  try {
    const key = createPublicKey({ key: pkcs1OfModulus(modulus), format: 'der', type: 'pkcs1' });
    return verify('sha256', signedBytes(certificate), pss(key), certificate.subarray(AT.signature));
  } catch {
    return false; // OpenSSL refuses some moduli altogether
  }
}

function signedBytes(certificate: Buffer): Buffer {
  return Buffer.concat([SIGN_DOMAIN, certificate.subarray(0, AT.signature)]);
}

/** RSA-PSS with MGF1-SHA-256 (the default for this hash) and a salt of 32 bytes. */
function pss(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
}

function fault(code: CertificateErrorCode, message: string): PeerError<CertificateErrorCode> {
  return new PeerError(code, message);
}
