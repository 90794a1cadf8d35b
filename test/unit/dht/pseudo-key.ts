/** Ed25519 keys for signed values, the same for the same name. */
import { createHash } from 'node:crypto';
import { generatePseudoIdentity, type PseudoIdentity } from '../../../src/identity/pseudo-identity.js';

export function createPseudoKey(name: string): PseudoIdentity {
  let count = 0;
  return generatePseudoIdentity((seed) => {
    createHash('sha256').update(`${name} ${count}`).digest().copy(seed);
    count += 1;
  });
}
