/** Ed25519 keys for signed values, the same for the same name. */
import { createHash } from 'node:crypto';
import sodium from 'sodium-native';

export function createPseudoKey(name: string): { readonly publicKey: Buffer; readonly secretKey: Buffer } {
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, createHash('sha256').update(name).digest());
  return { publicKey, secretKey };
}
