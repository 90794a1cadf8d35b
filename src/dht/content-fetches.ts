/**
 * Fetches contents that do not fit into answers: once for each set of contents that nodes say they hold, from another
 * holder where the first is slow or fails, and from where its last stream broke off.
 *
 * Invariants: what one holder sends spoils nothing of another's; a set is complete only when everything that its digest
 * says was there; no waiting beyond FETCHING_MS; bounded numbers of sets and fetches.
 * Not here: parts (partial-contents.ts), streams (bulk.ts).
 */
import type { Contact } from './contact.js';
import type { TimerHandle } from './environment.js';
import type { Network } from './network.js';
import { PartialContents } from './partial-contents.js';
import { digestOf } from './store.js';

/** When another holder of a set is asked as well. */
const FETCH_HEDGE_MS = 400;
/** Different sets that are fetched at a time, and all in all. */
const MAX_RUNNING_SETS = 24;
const MAX_SETS = 320;
/** Fetches from one holder, also where each brings a little more. */
const MAX_FETCHES = 8;
/** After the first: what is not here then does not come. */
const FETCHING_MS = 20_000;

/** A node that holds a set, and what has come from it. */
interface Holder {
  readonly contact: Contact;
  readonly parts: PartialContents;
  fetches: number;
}

interface ContentSet {
  readonly digest: string;
  readonly holders: Holder[];
  next: number;
  running: number;
  complete: boolean;
}

export class ContentFetches {
  readonly #sets = new Map<string, ContentSet>();
  /** Contents that are here, by hash, with their lengths. */
  readonly #whole = new Map<string, number>();
  #timer: TimerHandle | null = null;
  #over = false;

  /** @param onIdle called whenever no fetch is waited for any more */
  constructor(
    readonly network: Network,
    readonly key: Buffer,
    readonly onContent: (content: Buffer) => void,
    readonly onIdle: () => void,
  ) {}

  get running(): boolean {
    return !this.#over && [...this.#sets.values()].some((set) => !set.complete && set.running > 0);
  }

  /** A node holds contents with this digest that it could not send. */
  noteHolder(contact: Contact, digest: Buffer): void {
    const id = digest.toString('latin1');
    const set = this.#sets.get(id) ?? { digest: id, holders: [], next: 0, running: 0, complete: false };
    if (!this.#sets.has(id) && this.#sets.size >= MAX_SETS) return;
    this.#sets.set(id, set);
    const parts = new PartialContents(this.#whole, this.onContent);
    set.holders.push({ contact, parts, fetches: 0 });
    if (set.running === 0) this.#fetchNext(set);
  }

  #begin(): void {
    const { clock } = this.network.parts;
    this.#timer ??= clock.setTimer(FETCHING_MS, () => {
      this.#over = true;
      this.onIdle();
    });
  }

  /** Whatever set has not had its turn. */
  #fetchOthers(): void {
    for (const set of this.#sets.values()) if (set.running === 0) this.#fetchNext(set);
  }

  #fetchNext(set: ContentSet): void {
    const holder = set.holders[set.next];
    if (!holder || set.complete || this.#over) return;
    const busy = [...this.#sets.values()].filter(({ running }) => running > 0);
    if (set.running === 0 && busy.length >= MAX_RUNNING_SETS) return;
    this.#begin();
    set.next += 1;
    holder.fetches += 1;
    set.running += 1;
    const { clock, bulk, forOthers } = this.network.parts;
    const hedge = clock.setTimer(FETCH_HEDGE_MS, () => this.#fetchNext(set));
    const announced = new Map<string, Buffer>();
    let progress = false;
    const ended = () => {
      clock.clearTimer(hedge);
      set.running -= 1;
      const all = [...announced.values()];
      const here = all.every((hash) => this.#whole.has(hash.toString('latin1')));
      if (here && digestOf(all)?.toString('latin1') === set.digest) set.complete = true;
      // A slow holder is asked again for the rest.
      else if (progress && holder.fetches < MAX_FETCHES) set.holders.push(holder);
      if (!set.complete && set.running === 0) this.#fetchNext(set);
      this.#fetchOthers();
      if (!this.running) this.#idle();
    };
    bulk.request(
      holder.contact,
      { kind: 'fetch', key: this.key, held: holder.parts.held() },
      {
        onAnswer: (answer) => {
          if (answer.kind === 'end') ended();
          if (answer.kind !== 'part' || this.#over) return;
          announced.set(answer.hash.toString('latin1'), answer.hash);
          if (holder.parts.add(answer) !== 'ignored') progress = true;
        },
        onFailure: ended,
      },
      forOthers,
    );
  }

  #idle(): void {
    if (this.#timer) this.network.parts.clock.clearTimer(this.#timer);
    this.#timer = null;
    this.onIdle();
  }
}
