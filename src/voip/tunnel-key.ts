/**
 * Role: the key by which callers know that they speak with the owner of a pseudo-identity's tunnel, and not with its
 * exchange point (design 3, "BUILD extension").
 *
 * Derived from the pseudo-identity's secret for one exchange point, so that a restart keeps it and nothing is stored; the
 * KX gets this key alone, never the secret behind it.
 *
 * Not here: how it travels (wire/build-extension.ts) and where it is published (wire/presence-record.ts).
 */

import { createHmac } from 'node:crypto';
import sodium from 'sodium-native';

export interface TunnelKeyPair {
  /** X25519, 32 bytes; never logged. */
  readonly secret: Buffer;
  /** X25519, 32 bytes. */
  readonly publicKey: Buffer;
}

/** `secretKey`: the pseudo-identity's; `exchangePoint`: the peer identity, 32 bytes. */
export function deriveTunnelKey(secretKey: Buffer, exchangePoint: Buffer): TunnelKeyPair {
  const secret = createHmac('sha256', secretKey).update('peer tunnel key v1').update(exchangePoint).digest();
  const publicKey = Buffer.alloc(32);
  sodium.crypto_scalarmult_base(publicKey, secret);
  return { secret, publicKey };
}
