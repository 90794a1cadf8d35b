/**
 * Keys of Noise handshakes (X25519) and sub-keys of what they give.
 *
 * Not here: the handshakes, which native code makes (src/engine); certificates, framing, ciphers.
 */
import { createHmac } from 'node:crypto';
import sodium from 'sodium-native';

/** Length in bytes of X25519 keys, of the transport keys and of sub-keys. */
export const NOISE_KEY_BYTES = 32;
/** Bytes that an AEAD adds to what it encrypts. */
export const NOISE_TAG_BYTES = 16;

export interface NoiseKeyPair {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}

/** Makes a new X25519 key pair. */
export function createNoiseKeyPair(): NoiseKeyPair {
  const secretKey = Buffer.alloc(NOISE_KEY_BYTES);
  sodium.randombytes_buf(secretKey);
  return noiseKeyPairOf(secretKey);
}

/** The X25519 key pair of a 32-byte secret key. */
export function noiseKeyPairOf(secretKey: Buffer): NoiseKeyPair {
  const publicKey = Buffer.alloc(NOISE_KEY_BYTES);
  sodium.crypto_scalarmult_base(publicKey, secretKey);
  return { publicKey, secretKey };
}

/**
 * A 32-byte sub-key of `secret` for one purpose: HMAC-SHA-256(secret, "peer " ‖ label ‖ 0x01), that is the
 * first block of HKDF-Expand. Different labels give independent keys.
 */
export function deriveKey(secret: Buffer, label: string): Buffer {
  return createHmac('sha256', secret).update(`peer ${label}`, 'utf8').update(Buffer.of(1)).digest();
}
