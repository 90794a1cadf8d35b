/** The part of sodium-native 5.1 that this project uses; the package has no types of its own. */
declare module 'sodium-native' {
  interface Sodium {
    readonly crypto_sign_PUBLICKEYBYTES: 32;
    readonly crypto_sign_SECRETKEYBYTES: 64;
    readonly crypto_sign_SEEDBYTES: 32;
    readonly crypto_sign_BYTES: 64;

    crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void;
    crypto_sign_detached(signature: Buffer, message: Buffer, secretKey: Buffer): void;
    crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean;
    /** Throws if the point is not one of the main subgroup. */
    crypto_sign_ed25519_pk_to_curve25519(x25519PublicKey: Buffer, ed25519PublicKey: Buffer): void;
    crypto_sign_ed25519_sk_to_curve25519(x25519SecretKey: Buffer, ed25519SecretKey: Buffer): void;
    /** True for canonical encodings of points of the main subgroup that are not of small order. */
    crypto_core_ed25519_is_valid_point(point: Buffer): boolean;

    crypto_scalarmult_base(publicKey: Buffer, secretKey: Buffer): void;
    /** Throws if the result is all zero (a point of small order). */
    crypto_scalarmult(shared: Buffer, secretKey: Buffer, publicKey: Buffer): void;

    /** Returns the number of bytes written; `additional` may be null. */
    crypto_aead_chacha20poly1305_ietf_encrypt(
      sealed: Buffer,
      plaintext: Buffer,
      additional: Buffer | null,
      unused: null,
      nonce: Buffer,
      key: Buffer,
    ): number;
    /** Throws if the tag does not fit. */
    crypto_aead_chacha20poly1305_ietf_decrypt(
      plaintext: Buffer,
      unused: null,
      sealed: Buffer,
      additional: Buffer | null,
      nonce: Buffer,
      key: Buffer,
    ): number;

    /** The same with nonces of 24 bytes. */
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      sealed: Buffer,
      plaintext: Buffer,
      additional: Buffer | null,
      unused: null,
      nonce: Buffer,
      key: Buffer,
    ): number;
    /** Throws if the tag does not fit. */
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      plaintext: Buffer,
      unused: null,
      sealed: Buffer,
      additional: Buffer | null,
      nonce: Buffer,
      key: Buffer,
    ): number;

    readonly crypto_pwhash_ALG_ARGON2ID13: number;
    /** A key from a passphrase, at a cost in passes and in bytes of memory. */
    crypto_pwhash(
      key: Buffer,
      passphrase: Buffer,
      salt: Buffer,
      opslimit: number,
      memlimit: number,
      algorithm: number,
    ): void;

    /** XORs with the key stream from its beginning. */
    crypto_stream_chacha20_ietf_xor(out: Buffer, bytes: Buffer, nonce: Buffer, key: Buffer): void;
    /** Poly1305, 16 bytes; a key is used once. */
    crypto_onetimeauth(tag: Buffer, bytes: Buffer, key: Buffer): void;

    randombytes_buf(out: Buffer): void;
    sodium_memzero(buffer: Buffer): void;
    sodium_memcmp(a: Buffer, b: Buffer): boolean;
  }
  const sodium: Sodium;
  export default sodium;
}
