/**
 * The address prefixes that say who may belong together: the /24 and /16 of an IPv4 address, the /48 and /32 of an IPv6 one.
 *
 * Private and loopback addresses have none unless `strict`: there they say nothing. Not here: what follows from them
 * (diversity.ts, private/path-choice.ts).
 */
import { isPrivateAddress } from '../private-address.js';
import { ipv6Bytes } from './address.js';
import type { UnverifiedContact } from './contact.js';

export interface Prefixes {
  readonly family: 4 | 6;
  /** /24 or /48. */
  readonly narrow: string;
  /** /16 or /32. */
  readonly wide: string;
}

/** Once worked out: they depend on the contact alone, so one memory serves all. */
const known = {
  strict: new WeakMap<UnverifiedContact, readonly Prefixes[]>(),
  lenient: new WeakMap<UnverifiedContact, readonly Prefixes[]>(),
};

/** Of each of the contact's addresses, IPv4 first. */
export function prefixesOf(contact: UnverifiedContact, strict: boolean): readonly Prefixes[] {
  const memory = strict ? known.strict : known.lenient;
  let prefixes = memory.get(contact);
  if (!prefixes) {
    prefixes = [contact.ipv4, contact.ipv6]
      .filter((host) => host !== null)
      .filter((host) => strict || !isPrivateAddress(host))
      .map(ofHost);
    memory.set(contact, prefixes);
  }
  return prefixes;
}

function ofHost(host: string): Prefixes {
  if (!host.includes(':')) {
    const parts = host.split('.');
    return { family: 4, narrow: parts.slice(0, 3).join('.'), wide: parts.slice(0, 2).join('.') };
  }
  const hex = ipv6Bytes(host)?.toString('hex') ?? '';
  return { family: 6, narrow: hex.slice(0, 12), wide: hex.slice(0, 8) };
}
