/**
 * One iterative lookup: from what we know towards the nodes closest to a key.
 *
 * Invariants: at most ALPHA requests are waited for at a time; one that takes longer than its hedge time no longer
 * counts, so a silent node never holds up the search; every contact is asked once; candidates are bounded.
 * `onSettled` comes once, when the `width` closest nodes that are not slow have answered; `onDone` comes once, after
 * it, when nothing that could still matter is outstanding. A path of its own for each lookup: disjoint paths are
 * several lookups that share one `claimed` set. Not here: how a node is asked (node.ts), values, timers' clock.
 */
import type { Contact } from './contact.js';
import { compareDistance } from './distance.js';

export const ALPHA = 3;
const MAX_CANDIDATES = 512;

/** How the lookup talks to the world. */
export interface LookupEnvironment {
  /** Asks a node. `onContacts` may come several times, then exactly one of `onEnd` and `onFailed`. */
  ask(contact: Contact, on: AskCallbacks): void;
  /** Calls `run` when the contact should have answered. Returns a function that takes this back. */
  hedge(contact: Contact, run: () => void): () => void;
}

export interface AskCallbacks {
  onContacts(contacts: readonly Contact[]): void;
  onEnd(): void;
  onFailed(): void;
}

type State = 'new' | 'asked' | 'slow' | 'answered' | 'failed';

interface Candidate {
  readonly contact: Contact;
  /** Who told us of it first; null for those from our own table. */
  readonly parent: Candidate | null;
  state: State;
}

export interface LookupOptions {
  readonly target: Buffer;
  /** How many of the closest nodes must have answered. */
  readonly width: number;
  readonly start: readonly Contact[];
  readonly ownId: string;
  readonly onSettled: (lookup: Lookup) => void;
  readonly onDone: (lookup: Lookup) => void;
  /** Ids that another path of the same search has taken. */
  readonly claimed?: Set<string>;
}

export class Lookup {
  /** Sorted, closest first. */
  readonly #candidates: Candidate[] = [];
  readonly #known: Set<string>;
  readonly #seen = new Set<string>();
  #active = 0;
  #outstanding = 0;
  #asked = 0;
  #state: 'running' | 'settled' | 'done' = 'running';
  #pumping = false;

  constructor(
    readonly options: LookupOptions,
    readonly environment: LookupEnvironment,
  ) {
    this.#known = options.claimed ?? new Set();
  }

  /** Begins; callbacks may come before this returns. */
  run(): this {
    this.#merge(this.options.start, null);
    this.#pump();
    return this;
  }

  get requests(): number {
    return this.#asked;
  }

  /** Nodes that answered, closest first. */
  answered(count = Number.POSITIVE_INFINITY): Contact[] {
    const result: Contact[] = [];
    for (const candidate of this.#candidates) {
      if (result.length >= count) break;
      if (candidate.state === 'answered') result.push(candidate.contact);
    }
    return result;
  }

  /** The way to a node: itself first, then who told us of it, back to a node of our own table. */
  pathTo(contact: Contact): Contact[] {
    const path: Contact[] = [];
    let at = this.#candidates.find((candidate) => candidate.contact.id === contact.id) ?? null;
    for (; at; at = at.parent) path.push(at.contact);
    return path;
  }

  /** Stops asking; neither callback comes any more. */
  cancel(): void {
    this.#state = 'done';
  }

  /** Whether the contact is among the closest that are still of interest. */
  isClose(contact: Contact): boolean {
    return this.#closestLive().some((candidate) => candidate.contact.id === contact.id);
  }

  #closestLive(): Candidate[] {
    const live: Candidate[] = [];
    for (const candidate of this.#candidates) {
      if (candidate.state === 'failed' || candidate.state === 'slow') continue;
      live.push(candidate);
      if (live.length === this.options.width) break;
    }
    return live;
  }

  #merge(contacts: readonly Contact[], parent: Candidate | null): void {
    const { target, ownId } = this.options;
    for (const contact of contacts) {
      if (contact.id === ownId || this.#seen.has(contact.id) || this.#known.has(contact.id)) continue;
      this.#seen.add(contact.id);
      const candidate: Candidate = { contact, parent, state: 'new' };
      let low = 0;
      let high = this.#candidates.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        const other = (this.#candidates[middle] as Candidate).contact.position;
        if (compareDistance(target, other, contact.position) <= 0) low = middle + 1;
        else high = middle;
      }
      this.#candidates.splice(low, 0, candidate);
    }
    // Only the far end is cut, and only what was never asked.
    while (this.#candidates.length > MAX_CANDIDATES) {
      if ((this.#candidates.at(-1) as Candidate).state !== 'new') break;
      this.#candidates.pop();
    }
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#state !== 'done' && this.#active < ALPHA) {
      const next = this.#closestLive().find((candidate) => candidate.state === 'new');
      if (!next) break;
      this.#ask(next);
    }
    this.#pumping = false;
    this.#conclude();
  }

  #ask(candidate: Candidate): void {
    candidate.state = 'asked';
    this.options.claimed?.add(candidate.contact.id);
    this.#active += 1;
    this.#outstanding += 1;
    this.#asked += 1;
    let waiting = true;
    const stopWaiting = () => {
      if (!waiting) return;
      waiting = false;
      this.#active -= 1;
    };
    const cancelHedge = this.environment.hedge(candidate.contact, () => {
      if (candidate.state !== 'asked') return;
      candidate.state = 'slow';
      stopWaiting();
      this.#pump();
    });
    const ended = (state: 'answered' | 'failed') => {
      candidate.state = state;
      cancelHedge();
      stopWaiting();
      this.#outstanding -= 1;
      this.#pump();
    };
    this.environment.ask(candidate.contact, {
      onContacts: (contacts) => {
        if (this.#state === 'done') return;
        // It lives: it counts again, but the search need not wait for the rest of its answer.
        candidate.state = 'asked';
        cancelHedge();
        stopWaiting();
        this.#merge(contacts, candidate);
        this.#pump();
      },
      onEnd: () => ended('answered'),
      onFailed: () => ended('failed'),
    });
  }

  #conclude(): void {
    if (this.#state === 'running') {
      const settled = this.#closestLive().every((candidate) => candidate.state === 'answered');
      if (!settled) return;
      this.#state = 'settled';
      this.options.onSettled(this);
    }
    if (this.#state === 'settled' && this.#outstanding === 0) {
      this.#state = 'done';
      this.options.onDone(this);
    }
  }
}
