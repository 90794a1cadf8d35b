/**
 * Role: a pseudo-identity's word for its own KX at one exchange point, so that nobody else can be called in its name
 * there (design 3, "BUILD extension").
 *
 * Signed (Ed25519): "peer registration v1" ‖ pseudo-identity 32 ‖ exchange point 32 ‖ registration key 32 ‖ time u64 ‖
 * expiry u64. The KX gets the registration key's secret half, never the pseudo-identity's: what it holds is worth nothing
 * at any other exchange point, nor after the expiry.
 *
 * Not here: how it travels (wire/build-extension.ts), what the exchange point checks (docs/protocol/kx.md).
 */

import sodium from 'sodium-native';
import { type PseudoIdentity, signDetached } from '../identity/pseudo-identity.js';
import type { SignedRegistration } from '../wire/build-extension.js';

const DOMAIN = Buffer.from('peer registration v1', 'ascii');

export interface RegistrationTerms {
  /** Peer identity of the exchange point, 32 bytes. */
  readonly exchangePoint: Buffer;
  /** Unix seconds; of two registrations the newer wins. */
  readonly time: bigint;
  /** Unix seconds, at most 24 h after `time`. */
  readonly expiry: bigint;
}

/** `seed`: 32 random bytes, used for this registration only; they become its secret. */
export function signRegistration(
  owner: PseudoIdentity,
  { exchangePoint, time, expiry }: RegistrationTerms,
  seed: Buffer,
): SignedRegistration {
  const key = Buffer.alloc(32);
  const pair = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(key, pair, seed);
  sodium.sodium_memzero(pair);
  const times = Buffer.alloc(16);
  times.writeBigUInt64BE(time, 0);
  times.writeBigUInt64BE(expiry, 8);
  const message = Buffer.concat([DOMAIN, owner.publicKey, exchangePoint, key, times]);
  return { secret: seed, time, expiry, signature: signDetached(message, owner.secretKey) };
}
