/** The DHT's Noise handshakes. Not here: what is inside them (src/dht/handshake-payload.ts), frames (src/dht/noise-channel.ts). */
import type { IkKey } from '../../native/binding.js';
import { addon } from './addon.js';

/**
 * A static key that makes handshakes `Noise_IK_25519_ChaChaPoly_BLAKE2b`.
 * @param secretKey 32 bytes
 * @throws PeerError `ADDON_MISSING`
 */
export function ikKey(secretKey: Buffer): IkKey {
  return new (addon().IkKey)(secretKey);
}
