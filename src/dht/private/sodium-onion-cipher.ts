/**
 * The production OnionCipher: X25519, HMAC-SHA-256 for keys, ChaCha20, Poly1305, ChaCha20-Poly1305.
 *
 * Invariants: every layer has an ephemeral key of its own, so no key is ever used for two onions; both public keys go
 * into the derivation. Secrets in between are zeroed. Not here: layouts (onion.ts).
 */
import { createHmac } from 'node:crypto';
import sodium from 'sodium-native';
import { createNoiseKeyPair, deriveKey, type NoiseKeyPair } from '../../identity/noise-keys.js';
import { type LayerKeys, MAX_OFFSET, type OnionCipher, TAG_BYTES } from './onion-cipher.js';

const DOMAIN = Buffer.from('peer dht onion v1', 'ascii');

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(number), 4);
  return nonce;
}

/** Null where `theirs` is a point of small order. */
function agree(secretKey: Buffer, theirs: Buffer, ephemeral: Buffer, hopKey: Buffer): LayerKeys | null {
  const shared = Buffer.alloc(32);
  try {
    sodium.crypto_scalarmult(shared, secretKey, theirs);
  } catch {
    return null;
  }
  const secret = createHmac('sha256', shared).update(DOMAIN).update(ephemeral).update(hopKey).digest();
  sodium.sodium_memzero(shared);
  const key = (use: string) => deriveKey(secret, `dht onion ${use}`);
  const keys = {
    forward: key('forward'),
    tag: key('tag'),
    backward: key('backward'),
    seal: key('seal'),
    offset: key('offset').readUInt32BE(0) & MAX_OFFSET,
  };
  sodium.sodium_memzero(secret);
  return keys;
}

/** @param own our certified X25519 key pair of the DHT */
export function sodiumOnionCipher(own: NoiseKeyPair): OnionCipher {
  return {
    begin(hopKey) {
      if (hopKey.length !== 32) return null;
      const { publicKey: ephemeral, secretKey } = createNoiseKeyPair();
      const keys = agree(secretKey, hopKey, ephemeral, hopKey);
      sodium.sodium_memzero(secretKey);
      return keys && { ephemeral, keys };
    },

    join: (ephemeral) =>
      ephemeral.length === 32 ? agree(own.secretKey, ephemeral, ephemeral, own.publicKey) : null,

    stream(key, number, bytes) {
      const result = Buffer.allocUnsafe(bytes.length);
      sodium.crypto_stream_chacha20_ietf_xor(result, bytes, nonceOf(number), key);
      return result;
    },

    tag(key, bytes) {
      const tag = Buffer.alloc(TAG_BYTES);
      sodium.crypto_onetimeauth(tag, bytes, key);
      return tag;
    },

    equal: (a, b) => a.length === b.length && sodium.sodium_memcmp(a, b),

    seal(key, number, plaintext) {
      const sealed = Buffer.allocUnsafe(plaintext.length + TAG_BYTES);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plaintext, null, null, nonceOf(number), key);
      return sealed;
    },

    open(key, number, sealed) {
      if (sealed.length < TAG_BYTES) return null;
      const plaintext = Buffer.allocUnsafe(sealed.length - TAG_BYTES);
      try {
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, null, sealed, null, nonceOf(number), key);
        return plaintext;
      } catch {
        return null;
      }
    },
  };
}
