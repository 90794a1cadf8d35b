/**
 * The envelope of a self-certifying DHT value: signed by the Ed25519 key that is also its DHT key.
 *
 * Layout (big-endian): magic "PSV1" 4 · sequence u64 · expiry u64 (unix seconds) · signature 64 · payload.
 * The signature covers "peer signed value v1" ‖ key ‖ sequence ‖ expiry ‖ payload.
 * Invariants: parsing is total (null for anything else, never an exception); a value is recognised only with a
 * valid signature under the key it is stored at, which has the mark of pseudo-identities, with expiry in the future.
 * Not here: what the payload means, and which of two versions a store keeps.
 */
import sodium from 'sodium-native';
import { PeerError } from '../errors.js';
import { hasMark } from './pseudo-identity.js';

const MAGIC = Buffer.from('PSV1', 'ascii');
const DOMAIN = Buffer.from('peer signed value v1', 'ascii');
const SIGNATURE_OFFSET = 20;
/** Bytes of the envelope before the payload. */
export const SIGNED_VALUE_OVERHEAD = 84;

export interface SignedValue {
  /** The newest version has the highest sequence. */
  readonly sequence: bigint;
  /** Unix seconds after which nobody may use or keep the value. */
  readonly expirySeconds: number;
  readonly payload: Buffer;
}

function signedBytes(key: Buffer, header: Buffer, payload: Buffer): Buffer {
  return Buffer.concat([DOMAIN, key, header, payload]);
}

/**
 * Signs a value under its own key.
 * @param key 32 bytes: Ed25519 public key, the DHT key
 * @param secretKey 64 bytes: the Ed25519 secret key in libsodium's form (seed ‖ public key)
 * @throws PeerError `signed-value-invalid` where a length or number is out of range
 */
export function encodeSignedValue(value: SignedValue, key: Buffer, secretKey: Buffer): Buffer {
  if (key.length !== 32 || secretKey.length !== 64) {
    throw new PeerError(
      'signed-value-invalid',
      'a signed value needs a 32-byte key and a 64-byte secret key',
    );
  }
  if (value.sequence < 0n || value.sequence >= 1n << 64n || !Number.isSafeInteger(value.expirySeconds)) {
    throw new PeerError('signed-value-invalid', 'sequence or expiry of a signed value is out of range');
  }
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(value.sequence, 0);
  header.writeBigUInt64BE(BigInt(value.expirySeconds), 8);
  const signature = Buffer.alloc(64);
  sodium.crypto_sign_detached(signature, signedBytes(key, header, value.payload), secretKey);
  return Buffer.concat([MAGIC, header, signature, value.payload]);
}

/**
 * The value inside `content`, or null where it is not a valid, unexpired signed value of `key`.
 * @param nowSeconds unix time in seconds
 */
export function decodeSignedValue(content: Buffer, key: Buffer, nowSeconds: number): SignedValue | null {
  if (content.length < SIGNED_VALUE_OVERHEAD || key.length !== 32 || !hasMark(key)) return null;
  if (!content.subarray(0, 4).equals(MAGIC)) return null;
  const expiry = content.readBigUInt64BE(12);
  if (expiry > BigInt(Number.MAX_SAFE_INTEGER) || Number(expiry) <= nowSeconds) return null;
  const signature = content.subarray(SIGNATURE_OFFSET, SIGNED_VALUE_OVERHEAD);
  const payload = content.subarray(SIGNED_VALUE_OVERHEAD);
  const message = signedBytes(key, content.subarray(4, SIGNATURE_OFFSET), payload);
  if (!sodium.crypto_sign_verify_detached(signature, message, key)) return null;
  return {
    sequence: content.readBigUInt64BE(4),
    expirySeconds: Number(expiry),
    payload: Buffer.from(payload),
  };
}
