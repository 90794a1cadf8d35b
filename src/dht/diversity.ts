/**
 * How many peers of one address prefix may stand together in a bucket, a replica set or a search: whoever has many
 * identities has them in few prefixes.
 *
 * A peer counts under its /24 and its /16 (IPv4) or its /48 and its /32 (IPv6). Invariants: no caps for private and
 * loopback addresses unless `strict`; none that leave anybody out while the peers known are in few prefixes, so small networks
 * and those of one provider work. Not here: what the caps are for (routing-table.ts, lookup.ts).
 */
import type { Contact } from './contact.js';
import { type Prefixes, prefixesOf } from './prefixes.js';

/** Most peers of one prefix. */
export interface PrefixCaps {
  /** Of a /24 or /48. */
  readonly narrow: number;
  /** Of a /16 or /32. */
  readonly wide: number;
}

/** Of the 20 in a bucket, a replica set or among the closest of a search. */
export const SET_CAPS: PrefixCaps = { narrow: 1, wide: 3 };
/** With fewer /16 (/32) than that among the contacts known, caps would leave too few to choose from. */
const FEWEST_PREFIXES = 20;

/** Whom this node knows: its routing table. */
export interface KnownContacts {
  readonly size: number;
  contacts(): readonly Contact[];
}

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
  #countedSize = -1;
  #enough = false;

  /** @param mode `off`: no caps; `auto`: none for private addresses and in few prefixes; `on`: always */
  constructor(
    readonly mode: 'auto' | 'on' | 'off',
    readonly known: KnownContacts,
  ) {}

  /** A new count under the caps that hold now. */
  count(caps: PrefixCaps = SET_CAPS): PrefixCount {
    return new PrefixCount(caps, this.#holds() ? (contact) => this.#prefixesOf(contact) : () => []);
  }

  /** Whether the caps let the contact stand together with `others`, who may. */
  fits(contact: Contact, others: readonly Contact[]): boolean {
    if (!this.#holds()) return true;
    return this.#prefixesOf(contact).every(({ narrow, wide }) => {
      let [sameNarrow, sameWide] = [0, 0];
      for (const other of others) {
        for (const one of this.#prefixesOf(other)) {
          if (one.narrow === narrow) sameNarrow += 1;
          if (one.wide === wide) sameWide += 1;
        }
      }
      return sameNarrow < SET_CAPS.narrow && sameWide < SET_CAPS.wide;
    });
  }

  /**
   * The first `count` contacts that the caps let stand together, in their order; where these are too few, others behind them. As
   * nobody is left out for want of others, this holds in few prefixes too (docs/decisions/0093).
   */
  select(contacts: readonly Contact[], count: number): Contact[] {
    const counted = new PrefixCount(SET_CAPS, (contact) =>
      this.mode === 'off' ? [] : this.#prefixesOf(contact),
    );
    const selected: Contact[] = [];
    const others: Contact[] = [];
    for (const contact of contacts) {
      if (selected.length >= count) break;
      (counted.admit(contact) ? selected : others).push(contact);
    }
    return selected.length < count ? [...selected, ...others].slice(0, count) : selected;
  }

  #holds(): boolean {
    return this.mode === 'on' || (this.mode === 'auto' && this.#knowsEnough());
  }

  /** Whether there are FEWEST_PREFIXES; looked at anew when contacts have come or gone. */
  #knowsEnough(): boolean {
    if (this.known.size !== this.#countedSize) {
      const wide = new Set<string>();
      for (const contact of this.known.contacts()) {
        for (const prefixes of this.#prefixesOf(contact)) wide.add(prefixes.wide);
        if (wide.size >= FEWEST_PREFIXES) break;
      }
      this.#enough = wide.size >= FEWEST_PREFIXES;
      this.#countedSize = this.known.size;
    }
    return this.#enough;
  }

  /** The prefixes of the address it is reached by: the other one could be anybody's. */
  #prefixesOf(contact: Contact): readonly Prefixes[] {
    const reached = contact.ipv4 !== null ? 4 : 6;
    const all = prefixesOf(contact, this.mode === 'on');
    // Nearly everybody has one address: no new array for them.
    return all.every(({ family }) => family === reached)
      ? all
      : all.filter(({ family }) => family === reached);
  }
}
