/**
 * Keeps contents where they belong while nodes come and go.
 *
 * Three occasions: a content that nobody brought to its place for REPLICATE_MS is offered to the r closest nodes, which are
 * searched for; a newcomer is offered what it is among the r closest to, by the closest two of those who are no newcomers
 * themselves; when a contact is lost, what it may have held is offered to the closest that are known, without a search, for
 * whoever holds a content knows its neighbours. How offers go out: offer-lines.ts.
 * Invariants: bounded work a round; remaining life is handed on, never a new one.
 */
import { BoundedMap } from './bounded-map.js';
import type { Contact } from './contact.js';
import type { TimerHandle } from './environment.js';
import { K, type Network } from './network.js';
import { OfferLines } from './offer-lines.js';
import { UNSHARED } from './store.js';
import type { StoredContent } from './stored-content.js';

const ROUND_MS = 20_000;
const REPLICATE_MS = 600_000;
const KEYS_A_ROUND = 64;
/** Of the keys that a lost contact may have held, this share is searched for: what is brought to others counts as brought. */
const SEARCHED_SHARE = 1 / 8;
const KEYS_A_NEWCOMER = 1_000;
const NEWCOMER_DELAY_MS = 500;
/** How long a newcomer counts as one that has not been offered everything yet. */
const NEW_FOR_MS = 60_000;
const MAX_RECENT = 512;
/** How many of the old holders offer: a second one, should the closest have gone unnoticed. */
const GREETERS = 2;

export class Replicator {
  readonly #lines: OfferLines;
  readonly #newcomers = new Map<string, Contact>();
  /** When contacts came, by id. */
  readonly #recent = new BoundedMap<string, number>(MAX_RECENT);
  /** When a holder of a key that we hold was lost, by key. */
  readonly #lost = new Map<string, { readonly key: Buffer; readonly sinceMs: number }>();
  #round: TimerHandle | null = null;
  #greeting: TimerHandle | null = null;
  #closed = false;

  constructor(readonly network: Network) {
    this.#lines = new OfferLines(network);
  }

  get offers(): number {
    return this.#lines.offers;
  }

  get moved(): number {
    return this.#lines.moved;
  }

  start(): void {
    const { clock, random } = this.network.parts;
    this.#round = clock.setTimer(ROUND_MS * (0.5 + random.fraction()), () => {
      this.runRound();
      if (!this.#closed) this.start();
    });
  }

  close(): void {
    this.#closed = true;
    const { clock } = this.network.parts;
    if (this.#round) clock.clearTimer(this.#round);
    if (this.#greeting) clock.clearTimer(this.#greeting);
    this.#lines.close();
  }

  contactAdded(contact: Contact): void {
    if (this.#closed) return;
    this.#recent.set(contact.id, this.network.now);
    if (this.network.parts.store.totals.keys === 0) return;
    this.#newcomers.set(contact.id, contact);
    this.#greeting ??= this.network.parts.clock.setTimer(NEWCOMER_DELAY_MS, () => {
      this.#greeting = null;
      const newcomers = [...this.#newcomers.values()];
      this.#newcomers.clear();
      for (const newcomer of newcomers) this.#greet(newcomer);
    });
  }

  contactLost(contact: Contact): void {
    const { store, table } = this.network.parts;
    const sinceMs = this.network.now;
    for (const key of store.keys().slice(0, KEYS_A_NEWCOMER)) {
      const closest = this.network.closestWithSelf(key, [...table.closest(key, K), contact], K);
      if (closest.some((one) => one.id === contact.id))
        this.#lost.set(key.toString('latin1'), { key, sinceMs });
    }
  }

  /** One round of upkeep now; otherwise they come by themselves. */
  runRound(): void {
    const { store } = this.network.parts;
    const now = this.network.now;
    store.expire(now);
    this.#forgetOld(now);
    for (const key of store.unchecked(now - REPLICATE_MS).slice(0, KEYS_A_ROUND)) this.replicate(key);
    this.#replaceLost();
  }

  /** Brings the contents of one key to the nodes closest to it. */
  replicate(key: Buffer): void {
    this.network.parts.store.checked(key, this.network.now);
    this.network.search({
      target: key,
      width: K,
      onDone: (lookup) => this.#offerAll(key, lookup.answered()),
    });
  }

  #replaceLost(): void {
    const { store, table, random } = this.network.parts;
    for (const [id, { key, sinceMs }] of [...this.#lost].slice(0, KEYS_A_ROUND)) {
      this.#lost.delete(id);
      // Another holder was quicker.
      if (store.checkedAtMs(key) > sinceMs) continue;
      if (random.fraction() < SEARCHED_SHARE) {
        this.replicate(key);
        continue;
      }
      store.checked(key, this.network.now);
      this.#offerAll(key, table.closest(key, K));
    }
  }

  #offerAll(key: Buffer, contacts: readonly Contact[]): void {
    const { store, self } = this.network.parts;
    if (this.#closed) return;
    for (const entry of store.get(key, this.network.now)) {
      const places = this.network.closestWithSelf(key, contacts, entry.replication);
      for (const place of places) if (place.id !== self.id) this.#offer(place, entry);
    }
  }

  #greet(newcomer: Contact): void {
    const { store, table, self } = this.network.parts;
    for (const key of store.keys().slice(0, KEYS_A_NEWCOMER)) {
      const others = table.closest(key, K, newcomer.id);
      const old = this.network.closestWithSelf(
        key,
        others.filter((contact) => !this.#isRecent(contact)),
        GREETERS,
      );
      if (!old.some((contact) => contact.id === self.id)) continue;
      for (const entry of store.get(key, this.network.now)) {
        const places = this.network.closestWithSelf(key, [...others, newcomer], entry.replication);
        if (places.some((place) => place.id === newcomer.id)) this.#offer(newcomer, entry);
      }
    }
  }

  #isRecent(contact: Contact): boolean {
    const sinceMs = this.#recent.peek(contact.id);
    return sinceMs !== undefined && this.network.now - sinceMs < NEW_FOR_MS;
  }

  #forgetOld(now: number): void {
    for (;;) {
      const oldest = this.#recent.oldest();
      if (!oldest || now - oldest[1] < NEW_FOR_MS) return;
      this.#recent.delete(oldest[0]);
    }
  }

  #offer(contact: Contact, entry: StoredContent): void {
    if (entry.sender !== UNSHARED) this.#lines.add(contact, entry);
  }
}
