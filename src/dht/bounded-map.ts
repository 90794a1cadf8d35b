/**
 * A map with a hard bound: inserting beyond it drops the entry that was used longest ago. Uses while it is less than half
 * full do not count: nothing is in danger then, and keeping order costs time and doubles the room that a Map takes.
 *
 * Invariant: never more than `limit` entries; `onEvict` sees each entry that was pushed out, not deleted ones.
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();

  constructor(
    readonly limit: number,
    readonly onEvict: (key: K, value: V) => void = () => {},
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which counts as used now. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || this.#entries.size * 2 < this.limit) return value;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** The value without counting as a use. */
  peek(key: K): V | undefined {
    return this.#entries.get(key);
  }

  set(key: K, value: V): void {
    if (this.#entries.size * 2 >= this.limit) this.#entries.delete(key);
    if (!this.#entries.has(key) && this.#entries.size >= this.limit) {
      const oldest = this.#entries.entries().next().value;
      if (oldest) {
        this.#entries.delete(oldest[0]);
        this.onEvict(oldest[0], oldest[1]);
      }
    }
    this.#entries.set(key, value);
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  /** The entry that would be dropped first. */
  oldest(): readonly [K, V] | undefined {
    return this.#entries.entries().next().value;
  }

  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  clear(): void {
    this.#entries.clear();
  }
}
