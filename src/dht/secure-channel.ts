/**
 * The cryptography of the RPC as an argument: handshakes, sealed frames, certificates.
 *
 * Production uses `noiseChannel` (noise-channel.ts); simulations give stand-ins of equal sizes. Invariant of every
 * implementation: nothing here throws on hostile bytes; failures are null. Not here: datagrams, sessions, timers.
 */

/** The keys that a handshake gave, in the form in which the channel wants them kept: nobody else looks inside. */
export type ChannelKeys = string | Buffer;

export interface Initiation {
  /** First message of the handshake, payload inside. */
  readonly message: Buffer;
  /** Reads the answer; null where it is not the right peer's answer to this message. Only once. */
  finish(reply: Buffer): { readonly payload: Buffer; readonly keys: ChannelKeys } | null;
}

export interface Reception {
  /** 32 bytes: the initiator's static key, authenticated. */
  readonly remoteKey: Buffer;
  readonly payload: Buffer;
  reply(payload: Buffer): { readonly message: Buffer; readonly keys: ChannelKeys };
}

export interface CertifiedKey {
  readonly identity: Buffer;
  readonly key: Buffer;
  readonly expirySeconds: number;
}

/** What a handshake is for; both sides must mean the same. */
export type ChannelPurpose = 'datagram' | 'stream';

export interface SecureChannel {
  /** Our certificate, always CERTIFICATE_BYTES long. */
  readonly certificate: Buffer;
  /** Starts a handshake with the owner of `remoteKey`; null where that key is unusable. */
  initiate(purpose: ChannelPurpose, remoteKey: Buffer, payload: Buffer): Initiation | null;
  respond(purpose: ChannelPurpose, message: Buffer): Reception | null;
  /** The header and behind it the sealed plaintext. */
  seal(keys: ChannelKeys, counter: number, header: Buffer, plaintext: Buffer): Buffer;
  /** @param sealed what follows the header; null where it was not sealed with this header */
  open(keys: ChannelKeys, counter: number, header: Buffer, sealed: Buffer): Buffer | null;
  /** Checks a certificate for DHT use; null where it does not hold. */
  readCertificate(bytes: Buffer, nowSeconds: number): CertifiedKey | null;
}

export const CERTIFICATE_BYTES = 1074;
/** Bytes that the first handshake message adds to its payload: e 32, s 32 + 16, tag 16. */
export const INITIATION_OVERHEAD = 96;
/** Bytes that the second adds: e 32, tag 16. */
export const RECEPTION_OVERHEAD = 48;
export const SEAL_OVERHEAD = 16;
