/**
 * Role: finds contacts by position among all: the closest to a key, and who belongs into which bucket of a table.
 *
 * It sees what no node can see: for attackers who know everything, for tables as a converged network has them, and for
 * what a result should have been.
 */
import type { Contact } from '../../dht/contact.js';
import { compareDistance, ID_BITS } from '../../dht/distance.js';

/** Contacts `low` to `high - 1` of the index. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

const bitOf = (id: Buffer, bit: number) => ((id[bit >> 3] as number) >> (7 - (bit & 7))) & 1;

export class PositionIndex {
  readonly #sorted: readonly Contact[];

  constructor(contacts: Iterable<Contact>) {
    this.#sorted = [...contacts].sort((a, b) => Buffer.compare(a.position, b.position));
  }

  get size(): number {
    return this.#sorted.length;
  }

  at(index: number): Contact {
    return this.#sorted[index] as Contact;
  }

  /** Closest first. */
  closest(target: Buffer, count: number): Contact[] {
    let range: Range = { low: 0, high: this.size };
    for (let bit = 0; bit < ID_BITS && range.high - range.low > count; bit++) {
      const { own } = this.#halves(range, target, bit);
      if (own.high - own.low < count) break;
      range = own;
    }
    return this.#sorted
      .slice(range.low, range.high)
      .sort((a, b) => compareDistance(target, a.position, b.position))
      .slice(0, count);
  }

  /** Who shares exactly 0, 1, 2 … leading bits with the position, as far as there is anybody. */
  buckets(position: Buffer): Range[] {
    const buckets: Range[] = [];
    let range: Range = { low: 0, high: this.size };
    for (let bit = 0; bit < ID_BITS && range.high > range.low; bit++) {
      const { own, other } = this.#halves(range, position, bit);
      buckets.push(other);
      range = own;
      if (own.high - own.low === 1 && this.at(own.low).position.equals(position)) break;
    }
    return buckets;
  }

  /** Splits a range whose contacts agree in all bits before `bit`. */
  #halves(range: Range, position: Buffer, bit: number): { own: Range; other: Range } {
    let low = range.low;
    let high = range.high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bitOf(this.at(middle).position, bit) === 0) low = middle + 1;
      else high = middle;
    }
    const zeros = { low: range.low, high: low };
    const ones = { low, high: range.high };
    return bitOf(position, bit) === 0 ? { own: zeros, other: ones } : { own: ones, other: zeros };
  }
}
