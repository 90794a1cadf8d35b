/**
 * The contacts closest to a target, of those that are given one after the other, in groups of which each is farther from
 * it than the one before.
 *
 * Invariant: `found` is sorted, closest first, and never longer than `limit`. Not here: how far that is (distance.ts).
 */
import type { Contact } from './contact.js';
import { compareDistance, idHead } from './distance.js';

export class Nearest {
  readonly found: Contact[] = [];
  /** The first 32 bits of their distances, which nearly always say which is the smaller one. */
  readonly #heads: number[] = [];
  /** Where the group begins. */
  #first = 0;

  readonly #targetHead: number;

  /** @param without id of a contact that is passed over */
  constructor(
    readonly target: Buffer,
    readonly limit: number,
    readonly without?: string,
  ) {
    this.#targetHead = idHead(target);
  }

  /** Whether nobody of a further group would be taken. */
  get full(): boolean {
    return this.#first >= this.limit;
  }

  /** All that come from here on are farther away than those so far. */
  next(): void {
    this.#first = this.found.length;
  }

  /** @param positionHead idHead of its position */
  add(contact: Contact, positionHead: number): void {
    const { found, limit } = this;
    const heads = this.#heads;
    const head = (positionHead ^ this.#targetHead) >>> 0;
    let at = found.length;
    if (at === limit) {
      if (at === this.#first || !this.#isFarther(at - 1, contact, head)) return;
      at -= 1;
    }
    if (contact.id === this.without) return;
    // Room for it by moving one after the other: `splice` takes several times as long.
    for (; at > this.#first && this.#isFarther(at - 1, contact, head); at--) {
      found[at] = found[at - 1] as Contact;
      heads[at] = heads[at - 1] as number;
    }
    found[at] = contact;
    heads[at] = head;
  }

  #isFarther(at: number, contact: Contact, head: number): boolean {
    const other = this.#heads[at] as number;
    if (other !== head) return other > head;
    return compareDistance(this.target, (this.found[at] as Contact).position, contact.position) > 0;
  }
}
