/**
 * Fetches contents that do not fit into answers: once for each set of contents that nodes say they hold, from another
 * holder where the first is slow or fails, and from where the last stream broke off.
 *
 * Invariant: bounded numbers of sets and fetches. Not here: parts (partial-contents.ts), streams (bulk.ts).
 */
import type { Contact } from './contact.js';
import type { Network } from './network.js';
import { PartialContents } from './partial-contents.js';
import { KEY_BYTES } from './store.js';

/** When another holder of a set is asked as well. */
const FETCH_HEDGE_MS = 400;
/** Different sets that one GET fetches at most. */
const MAX_SETS = 24;
/** Fetches of one set, also where each brings a little more. */
const MAX_FETCHES = 40;
/** All contents of a key, and as much again that had to be fetched anew. */
const MAX_SET_BYTES = 2 * KEY_BYTES;
/** No fetch begins later than that after the first. */
const FETCHING_MS = 120_000;

interface ContentSet {
  readonly holders: Contact[];
  next: number;
  running: number;
  complete: boolean;
  bytes: number;
}

export class ContentFetches {
  readonly #sets = new Map<string, ContentSet>();
  readonly #parts: PartialContents;
  #begunAtMs: number | null = null;

  /** @param onIdle called whenever no fetch is running any more */
  constructor(
    readonly network: Network,
    readonly key: Buffer,
    onContent: (content: Buffer) => void,
    readonly onIdle: () => void,
  ) {
    this.#parts = new PartialContents(onContent);
  }

  get running(): boolean {
    return [...this.#sets.values()].some((set) => !set.complete && set.running > 0);
  }

  /** A node holds contents with this digest that it could not send. */
  noteHolder(contact: Contact, digest: Buffer | null): void {
    const id = digest?.toString('latin1') ?? contact.id;
    const set = this.#sets.get(id) ?? { holders: [], next: 0, running: 0, complete: false, bytes: 0 };
    if (!this.#sets.has(id) && this.#sets.size >= MAX_SETS) return;
    this.#sets.set(id, set);
    set.holders.push(contact);
    if (set.running === 0) this.#fetchNext(set);
  }

  #fetchNext(set: ContentSet): void {
    const holder = set.holders[set.next];
    this.#begunAtMs ??= this.network.now;
    const late = this.network.now - this.#begunAtMs > FETCHING_MS;
    const spent = late || set.next >= MAX_FETCHES || set.bytes > MAX_SET_BYTES;
    if (!holder || set.complete || spent) return;
    set.next += 1;
    set.running += 1;
    const { clock, bulk } = this.network.parts;
    const hedge = clock.setTimer(FETCH_HEDGE_MS, () => this.#fetchNext(set));
    let progress = false;
    let spoiled = false;
    const ended = (whole: boolean) => {
      clock.clearTimer(hedge);
      set.running -= 1;
      if (whole && !spoiled) set.complete = true;
      // A slow holder is asked again for the rest, and so is one whose part was not what another had begun.
      else if (progress) set.holders.push(holder);
      if (!set.complete && set.running === 0) this.#fetchNext(set);
      if (!this.running) this.onIdle();
    };
    bulk.request(
      holder,
      { kind: 'fetch', key: this.key, held: this.#parts.held() },
      {
        onAnswer: (answer) => {
          if (answer.kind === 'end') ended(true);
          if (answer.kind !== 'part' || set.bytes > MAX_SET_BYTES) return;
          set.bytes += answer.bytes.length;
          const outcome = this.#parts.add(answer);
          if (outcome !== 'ignored') progress = true;
          if (outcome === 'spoiled') spoiled = true;
        },
        onFailure: () => ended(false),
      },
    );
  }
}
