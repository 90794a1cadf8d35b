/**
 * Entries by a key that each has itself, with a hard bound: adding beyond it drops the one that was used longest ago.
 *
 * Slots with open addressing take 9 to 18 bytes an entry, where a BoundedMap takes 28 to 56: for the tables in which every
 * peer has an entry. Invariants: never more than `limit` entries; one slot in eight is empty at least, so that every search
 * ends; `onEvict` sees each entry that was pushed out, not deleted ones.
 */

export interface TableEntry {
  /** Written by the table that has the entry. */
  usedAt: number;
}

export interface TableKeys<K, T> {
  readonly of: (entry: T) => K;
  /** A whole number; only its low bits are looked at. */
  readonly hash: (key: K) => number;
}

/** As it was when it was ranked. */
interface Ranked<K> {
  readonly key: K;
  readonly usedAt: number;
}

const FEWEST_SLOTS = 8;
/** So large a part of a full table is ranked at once. */
const RANKED_SHARE = 8;

export class CompactTable<K, T extends TableEntry> {
  /** Their number is a power of two. */
  #slots: (T | null)[] = new Array(FEWEST_SLOTS).fill(null);
  #size = 0;
  #uses = 0;
  /** The ones used longest ago when the table was last looked through, the very oldest at the end. */
  #oldest: Ranked<K>[] = [];

  constructor(
    readonly limit: number,
    readonly keys: TableKeys<K, T>,
    readonly onEvict: (entry: T) => void = () => {},
  ) {}

  get size(): number {
    return this.#size;
  }

  /** The entry without counting as a use. */
  peek(key: K): T | null {
    return this.#slots[this.#find(key)] ?? null;
  }

  /** The entry, which counts as used now. */
  get(key: K): T | null {
    const entry = this.peek(key);
    if (entry) entry.usedAt = this.#uses++;
    return entry;
  }

  /** Adds an entry, in the place of the one with its key if there is one. */
  add(entry: T): void {
    const key = this.keys.of(entry);
    this.delete(key);
    if (this.#size >= this.limit) this.#evict();
    if (this.#size + 1 > (this.#slots.length / 8) * 7) this.#grow();
    entry.usedAt = this.#uses++;
    this.#slots[this.#find(key)] = entry;
    this.#size += 1;
  }

  delete(key: K): boolean {
    let at = this.#find(key);
    if (!this.#slots[at]) return false;
    this.#slots[at] = null;
    this.#size -= 1;
    // Those that follow without a gap may stand there only because this slot was taken.
    for (at = this.#next(at); ; at = this.#next(at)) {
      const moved = this.#slots[at];
      if (!moved) return true;
      this.#slots[at] = null;
      this.#slots[this.#find(this.keys.of(moved))] = moved;
    }
  }

  /** The slot of the entry with this key, or the empty one where it would be. */
  #find(key: K): number {
    let at = this.keys.hash(key) & (this.#slots.length - 1);
    for (;;) {
      const entry = this.#slots[at];
      if (!entry || this.keys.of(entry) === key) return at;
      at = this.#next(at);
    }
  }

  #next(at: number): number {
    return (at + 1) & (this.#slots.length - 1);
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Array(old.length * 2).fill(null);
    for (const entry of old) if (entry) this.#slots[this.#find(this.keys.of(entry))] = entry;
  }

  #evict(): void {
    let oldest = this.#nextOldest();
    if (!oldest) {
      this.#rank();
      oldest = this.#nextOldest();
    }
    if (!oldest) return;
    this.delete(this.keys.of(oldest));
    this.onEvict(oldest);
  }

  /** Of those that were ranked, the first that is still here and has not been used since. */
  #nextOldest(): T | null {
    for (let ranked = this.#oldest.pop(); ranked; ranked = this.#oldest.pop()) {
      const entry = this.peek(ranked.key);
      if (entry?.usedAt === ranked.usedAt) return entry;
    }
    return null;
  }

  /** Looks at all entries, which is once for many that come: whatever is used later is used later than the ones found now. */
  #rank(): void {
    const all: Ranked<K>[] = [];
    for (const entry of this.#slots) if (entry) all.push({ key: this.keys.of(entry), usedAt: entry.usedAt });
    all.sort((a, b) => b.usedAt - a.usedAt);
    this.#oldest = all.slice(-Math.ceil(all.length / RANKED_SHARE));
  }
}
