/**
 * Which X25519 key belongs to which identity, proven by certificates and remembered until they expire.
 *
 * Invariant: an entry exists only after a certificate was verified; one RSA verification a key, not a handshake.
 */
import { BoundedMap } from './bounded-map.js';
import type { SecureChannel } from './secure-channel.js';

export class CertifiedKeys {
  /** Keys and identities as text of one character a byte, which takes less room than buffers. */
  readonly #known = new BoundedMap<string, { readonly identity: string; readonly expirySeconds: number }>(
    4096,
  );

  constructor(readonly channel: SecureChannel) {}

  /** Whether we already know that `key` is `identity`'s. */
  holds(key: Buffer, identity: Buffer, nowSeconds: number): boolean {
    const known = this.#known.get(key.toString('latin1'));
    if (known === undefined || known.expirySeconds <= nowSeconds) return false;
    return known.identity === identity.toString('latin1');
  }

  /** Whether `certificate` (or memory) proves that `key` is `identity`'s. */
  proves(certificate: Buffer, key: Buffer, identity: Buffer, nowSeconds: number): boolean {
    if (this.holds(key, identity, nowSeconds)) return true;
    const read = this.channel.readCertificate(certificate, nowSeconds);
    if (!read?.key.equals(key) || !read.identity.equals(identity)) return false;
    const { expirySeconds } = read;
    this.#known.set(key.toString('latin1'), { identity: read.identity.toString('latin1'), expirySeconds });
    return true;
  }
}
