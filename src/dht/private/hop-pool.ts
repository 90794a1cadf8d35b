/**
 * Nodes from the whole id space that can be second hops and exits, found ahead of any request.
 *
 * A routing table knows its own neighbourhood best, which would tell something of its owner and make it easy to stand
 * there. So the pool is filled by searches for random ids, one node from each, on a schedule that no request changes;
 * until it is filled, the contact closest to a random id stands in, which is not skewed either.
 * Where the table holds all the network there is, the pool is the table.
 * Invariants: bounded; entries leave after their time; nobody is in it who has not answered us, and of whom two others
 * have not told the same key and address; one of each prefix, as far as prefixes count, so that many nodes in one place do
 * not fill it.
 * Not here: the choice (path-choice.ts).
 */
import type { Contact } from '../contact.js';
import { type Network, THOROUGH } from '../network.js';

const POOL_SIZE = 32;
/** As many as make a choice worth the name. */
const ENOUGH = 12;
/** Below this a table holds everybody: no bucket can be full. */
const SMALL_NETWORK = 20;
const LIFE_MS = 3_600_000;
const SEARCH_WIDTH = 4;

interface Entry {
  readonly contact: Contact;
  readonly untilMs: number;
}

export class HopPool {
  readonly #entries = new Map<string, Entry>();
  #searches = 0;

  constructor(
    readonly network: Network,
    readonly near: (a: Contact, b: Contact) => boolean,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  get filled(): boolean {
    return this.#entries.size >= ENOUGH;
  }

  /** How many nodes there may be besides us, as far as it matters. */
  get known(): number {
    return Math.max(this.network.parts.table.size, this.#entries.size);
  }

  candidates(): readonly Contact[] {
    const { table, random } = this.network.parts;
    const now = this.network.now;
    for (const [id, entry] of this.#entries) if (entry.untilMs <= now) this.#entries.delete(id);
    if (table.size < SMALL_NETWORK) return table.contacts();
    const found = new Map([...this.#entries].map(([id, { contact }]) => [id, contact]));
    for (let i = 0; found.size < ENOUGH && i < 3 * ENOUGH; i++) {
      const [contact] = table.closest(random.bytes(32), 1);
      if (contact) found.set(contact.id, contact);
    }
    return [...found.values()];
  }

  /** The node as it was heard of last; null where it is not known. */
  latest(id: string): Contact | null {
    const known = this.network.parts.table.contacts().find((contact) => contact.id === id);
    return known ?? this.#entries.get(id)?.contact ?? null;
  }

  drop(contact: Contact): void {
    this.#entries.delete(contact.id);
  }

  /** One search for a random id, whose closest node that is new joins. The longest here makes room. */
  refresh(): void {
    const { random, table } = this.network.parts;
    if (table.size < SMALL_NETWORK || this.#searches >= 4) return;
    this.#searches += 1;
    this.network.search({
      target: random.bytes(32),
      width: SEARCH_WIDTH,
      thorough: () => THOROUGH.some,
      onDone: (lookup) => {
        this.#searches -= 1;
        // Somebody with a key or address for each of his askers would know them by it: several must know the same one.
        const fits = (one: Contact) =>
          lookup.isAgreed(one) &&
          ![...this.#entries.values()].some(
            ({ contact: other }) => other.id === one.id || this.near(other, one),
          );
        const contact = lookup.answered(SEARCH_WIDTH).find(fits);
        if (!contact) return;
        if (this.#entries.size >= POOL_SIZE) {
          const [oldest] = this.#entries.keys();
          if (oldest !== undefined) this.#entries.delete(oldest);
        }
        const untilMs = this.network.now + LIFE_MS * (0.75 + random.fraction() / 2);
        this.#entries.set(contact.id, { contact, untilMs });
      },
    });
  }
}
