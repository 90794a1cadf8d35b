/**
 * How many peers of one address prefix may stand together in a bucket, a replica set or a search: whoever has many
 * identities has them in few prefixes.
 *
 * A peer counts under its /24 and its /16 (IPv4) or its /48 and its /32 (IPv6). Invariants: no caps for private and
 * loopback addresses unless `strict`; none while few peers are known, so small networks work. Not here: what the caps
 * are for (routing-table.ts, lookup.ts).
 */
import { isPrivateAddress } from '../private-address.js';
import { ipv6Bytes } from './address.js';
import type { Contact } from './contact.js';

/** Most peers of one prefix. */
export interface PrefixCaps {
  /** Of a /24 or /48. */
  readonly narrow: number;
  /** Of a /16 or /32. */
  readonly wide: number;
}

/** Of the 20 in a bucket, a replica set or among the closest of a search. */
export const SET_CAPS: PrefixCaps = { narrow: 1, wide: 3 };
/** With fewer contacts than that, there may not be enough prefixes. */
const SMALL_NETWORK = 60;

interface Prefixes {
  readonly narrow: string;
  readonly wide: string;
}

/** Prefixes once worked out, where private addresses count too and where not: they depend on the contact alone, so one memory serves all. */
const known = {
  strict: new WeakMap<Contact, readonly Prefixes[]>(),
  lenient: new WeakMap<Contact, readonly Prefixes[]>(),
};

/** Counts peers by prefix and says who would be one too many. */
export class PrefixCount {
  readonly #counts = new Map<string, number>();

  constructor(
    readonly caps: PrefixCaps,
    readonly prefixesOf: (contact: Contact) => readonly Prefixes[],
  ) {}

  /** Counts the contact, if there is room in all of its prefixes. */
  admit(contact: Contact): boolean {
    const prefixes = this.prefixesOf(contact);
    for (const { narrow, wide } of prefixes) {
      if ((this.#counts.get(narrow) ?? 0) >= this.caps.narrow) return false;
      if ((this.#counts.get(wide) ?? 0) >= this.caps.wide) return false;
    }
    for (const { narrow, wide } of prefixes)
      for (const one of [narrow, wide]) this.#counts.set(one, (this.#counts.get(one) ?? 0) + 1);
    return true;
  }
}

export class Diversity {
  /** @param mode `off`: no caps; `auto`: none for private addresses and small networks; `on`: always */
  constructor(
    readonly mode: 'auto' | 'on' | 'off',
    readonly contactsKnown: () => number,
  ) {}

  /** A new count under the caps that hold now. */
  count(caps: PrefixCaps = SET_CAPS): PrefixCount {
    const counts = this.mode === 'on' || (this.mode === 'auto' && this.contactsKnown() >= SMALL_NETWORK);
    return new PrefixCount(caps, counts ? (contact) => this.#prefixesOf(contact) : () => []);
  }

  /** The first `count` contacts that the caps let stand together, in their order. */
  select(contacts: readonly Contact[], count: number): Contact[] {
    const counted = this.count();
    const selected: Contact[] = [];
    for (const contact of contacts) {
      if (selected.length >= count) break;
      if (counted.admit(contact)) selected.push(contact);
    }
    return selected;
  }

  #prefixesOf(contact: Contact): readonly Prefixes[] {
    const memory = this.mode === 'on' ? known.strict : known.lenient;
    let prefixes = memory.get(contact);
    if (!prefixes) {
      prefixes = [contact.ipv4, contact.ipv6].flatMap((host) => (host === null ? [] : this.#ofHost(host)));
      memory.set(contact, prefixes);
    }
    return prefixes;
  }

  #ofHost(host: string): Prefixes[] {
    if (this.mode !== 'on' && isPrivateAddress(host)) return [];
    if (!host.includes(':')) {
      const parts = host.split('.');
      return [{ narrow: parts.slice(0, 3).join('.'), wide: parts.slice(0, 2).join('.') }];
    }
    const hex = ipv6Bytes(host)?.toString('hex') ?? '';
    return [{ narrow: hex.slice(0, 12), wide: hex.slice(0, 8) }];
  }
}
