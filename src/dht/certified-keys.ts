/**
 * Which X25519 key belongs to which identity, proven by certificates and remembered until they expire.
 *
 * Invariant: a key is remembered only after a certificate was verified; one RSA verification a key, not a handshake. Not
 * here: how many are remembered (peers.ts).
 */
import type { UnverifiedContact } from './contact.js';
import type { Peers } from './peers.js';
import type { SecureChannel } from './secure-channel.js';

export class CertifiedKeys {
  constructor(
    readonly channel: SecureChannel,
    readonly peers: Peers,
  ) {}

  /** Whether we already know that the contact's key is its identity's. */
  holds({ id, key }: UnverifiedContact, nowSeconds: number): boolean {
    const peer = this.peers.peek(id);
    if (!peer?.contact.key.equals(key) || peer.keyExpirySeconds <= nowSeconds) return false;
    this.peers.use(id);
    return true;
  }

  /** Whether `certificate` (or memory) proves that the contact's key is its identity's. */
  proves(certificate: Buffer, contact: UnverifiedContact, nowSeconds: number): boolean {
    if (this.holds(contact, nowSeconds)) return true;
    const read = this.channel.readCertificate(certificate, nowSeconds);
    if (!read?.key.equals(contact.key) || !read.identity.equals(contact.identity)) return false;
    const peer = this.peers.know(contact);
    peer.contact = contact;
    peer.keyExpirySeconds = Math.floor(read.expirySeconds);
    return true;
  }
}
