/** A network in virtual time whose nodes take part in private lookups. */
import type { OnionCipher } from '../../../src/dht/private/onion-cipher.js';
import { PinnedHops } from '../../../src/dht/private/pinned-hops.js';
import { standInOnionCipher } from '../../../src/eval/sim/stand-in-onion-cipher.js';
import type { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';

/**
 * All further nodes of the network relay, and make their `own` requests through onions. Gives what they warn of and
 * the cipher of each.
 */
export function makePrivate(
  network: VirtualNetwork,
  own = true,
): { readonly warnings: string[]; readonly ciphers: OnionCipher[] } {
  const warnings: string[] = [];
  const ciphers: OnionCipher[] = [];
  network.onions = (key, random) => {
    const cipher = standInOnionCipher(key, random);
    ciphers.push(cipher);
    return {
      cipher,
      own: own ? { pinned: new PinnedHops(), diversity: 'auto', warn: (text) => warnings.push(text) } : null,
    };
  };
  return { warnings, ciphers };
}
