/** The check of certificates, in native code. Not here: the same in TypeScript, with reasons (src/identity/certificate.ts). */
import { addon } from './addon.js';

/**
 * Identity 32 · X25519 key 32 · expiry (Unix seconds) u64 of a certificate for DHT use; null where it does not hold.
 * @throws PeerError `ADDON_MISSING`
 */
export function readDhtCertificate(bytes: Buffer, nowSeconds: number): Buffer | null {
  return addon().readDhtCertificate(bytes, nowSeconds);
}
