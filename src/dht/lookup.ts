/**
 * One iterative lookup: from what we know towards the nodes closest to a key.
 *
 * It first goes straight for the closest nodes. A *thorough* one then goes on along many chains that share no node:
 * every contact has a cost, that of whoever told of it plus its rank in that answer plus one, and the cheapest are
 * asked next. So each node that answers gets the same small say in where the search goes, and colluders that name
 * only each other use up their own share, never that of honest nodes (docs/decisions/0071). It ends early once many
 * chains in a row have brought nothing new (0073).
 * Invariants: at most ALPHA requests (THOROUGH_ALPHA then) are waited for at a time; one that takes longer than its
 * hedge time no longer counts, so a silent node never holds up the search; every contact is asked once at an address; candidates and
 * requests are bounded. `onSettled` comes once, when the `width` closest nodes that are not slow have answered;
 * `onExplored` once, when that holds at the end of the thorough part too; `onDone` once, when nothing that could still
 * matter is outstanding, slow nodes included.
 * Not here: how a node is asked (network.ts), values, timers' clock.
 */
import { type Contact, sameAddress } from './contact.js';
import { compareDistance } from './distance.js';
import type { Diversity, PrefixCount } from './diversity.js';

export const ALPHA = 3;
const THOROUGH_ALPHA = 16;
/** Contacts of our own table that chains begin at for each step of cost. */
const ROOTS_A_STEP = 16;
/** Chains in a row that may bring nobody among the NEAR closest: then a thorough search has seen enough (docs/decisions/0073, 0107). */
const CHAINS_IN_VAIN = 96;
/** Four times the closest that matter: colluders can be all of those, while honest chains bring others just behind them. */
const NEAR = 80;
const MAX_REQUESTS = 1_600;
const MAX_CANDIDATES = 2_048;
/** Addresses of one node that are remembered. */
const MAX_TOLD = 8;

/** How the lookup talks to the world. */
export interface LookupEnvironment {
  /** Asks a node. `onContacts` may come several times, then exactly one of `onEnd` and `onFailed`. */
  ask(contact: Contact, on: AskCallbacks): void;
  /** Calls `run` when the contact should have answered. Returns a function that takes this back. */
  hedge(contact: Contact, run: () => void): () => void;
}

export interface AskCallbacks {
  /** @param then takes what else is in the answer, before anybody else is asked: that may end the search */
  onContacts(contacts: readonly Contact[], then?: () => void): void;
  onEnd(): void;
  onFailed(): void;
}

type State = 'new' | 'asked' | 'slow' | 'answered' | 'failed';

interface Candidate {
  contact: Contact;
  /** Everywhere it was told to be, in this order: asked there if it does not answer, for whoever told first may have lied. */
  readonly told: Contact[];
  /** Who told us of it first; null for those from our own table. */
  readonly parent: Candidate | null;
  cost: number;
  state: State;
  /** Answers that told of it as the first one did. */
  tellers: number;
  /** Number of the last answer that told of it. */
  toldIn: number;
  /** Somebody told of it with another key or address. */
  disputed: boolean;
}

export interface LookupOptions {
  readonly target: Buffer;
  /** How many of the closest nodes must have answered. */
  readonly width: number;
  /** Contacts of our own, closest to the target first; more than `width`, if there are. */
  readonly start: readonly Contact[];
  /** All of our own that it may begin at, those in `start` first; asked for where these are too few, and to be thorough. */
  readonly roots: () => readonly Contact[];
  readonly ownId: string;
  /** Asked once it has settled: up to which cost it goes on, so that colluders cannot have led it astray; 0: it does not. */
  readonly thorough: () => number;
  readonly diversity: Diversity;
  /** Asked before each further request: whether the answers that are waited for, one at least, may be all that is needed. */
  readonly suffices: (waitedFor: number) => boolean;
  readonly onSettled: (lookup: Lookup) => void;
  readonly onExplored: (lookup: Lookup) => void;
  readonly onDone: (lookup: Lookup) => void;
}

export class Lookup {
  /** Sorted, closest first. */
  readonly #candidates: Candidate[] = [];
  readonly #byId = new Map<string, Candidate>();
  /** What {@link #closestLive} gives, until something changes it. */
  #live: Candidate[] | null = null;
  /** Of those asked on the way of the thorough part. */
  readonly #prefixes: PrefixCount;
  /** How often contacts were told of. */
  #tellings = 0;
  /** Whether all of our own are candidates. */
  #widened = false;
  #active = 0;
  #outstanding = 0;
  #asked = 0;
  #state: 'running' | 'settled' | 'done' = 'running';
  #enough = false;
  #explored = false;
  #maxCost = 0;
  /** Contacts of our own in a row that have brought nobody among the closest, since it settled. */
  #inVain = 0;
  #pumping = false;

  constructor(
    readonly options: LookupOptions,
    readonly environment: LookupEnvironment,
  ) {
    this.#prefixes = options.diversity.count({ narrow: 2, wide: 12 });
  }

  /** Begins; callbacks may come before this returns. */
  run(): this {
    this.#merge(this.options.start, null, (index) => Math.floor(index / ROOTS_A_STEP));
    this.#pump();
    return this;
  }

  get isDone(): boolean {
    return this.#state === 'done';
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

  /** Whether at least two have told of the node, and all with the same key and address. */
  isAgreed(contact: Contact): boolean {
    const candidate = this.#byId.get(contact.id);
    return candidate !== undefined && candidate.tellers > 1 && !candidate.disputed;
  }

  /** The way to a node: itself first, then who told us of it, back to a node of our own table. */
  pathTo(contact: Contact): Contact[] {
    const path: Contact[] = [];
    let at = this.#byId.get(contact.id) ?? null;
    for (; at; at = at.parent) path.push(at.contact);
    return path;
  }

  /** What was looked for is found: nobody is asked any more, and both callbacks come as soon as they can. */
  enough(): void {
    this.#enough = true;
    this.#conclude();
  }

  /** Whether the contact is among the closest that are still of interest. */
  isClose(contact: Contact): boolean {
    return this.#closestLive().some((candidate) => candidate.contact.id === contact.id);
  }

  #closestLive(): readonly Candidate[] {
    if (this.#live) return this.#live;
    const live: Candidate[] = [];
    const prefixes = this.options.diversity.count();
    for (const candidate of this.#candidates) {
      if (candidate.state === 'failed' || candidate.state === 'slow') continue;
      if (!prefixes.admit(candidate.contact)) continue;
      live.push(candidate);
      if (live.length === this.options.width) break;
    }
    if (live.length < this.options.width && !this.#widened && !this.#enough) {
      this.#widen();
      return this.#closestLive();
    }
    this.#live = live;
    return live;
  }

  /** All the rest of our own, as if they had been there from the beginning. */
  #widen(): void {
    if (this.#widened) return;
    this.#widened = true;
    const { start, roots } = this.options;
    const begun = new Set(start.map(({ id }) => id));
    const rest = roots().filter(({ id }) => !begun.has(id));
    this.#merge(rest, null, (index) => Math.floor((start.length + index) / ROOTS_A_STEP));
  }

  #merge(contacts: readonly Contact[], parent: Candidate | null, cost: (index: number) => number): void {
    const { target, ownId } = this.options;
    const telling = this.#tellings++;
    contacts.forEach((contact, index) => {
      if (contact.id === ownId) return;
      const known = this.#byId.get(contact.id);
      if (known) {
        // An answer tells of a node once.
        if (known.toldIn === telling) return;
        known.toldIn = telling;
        known.cost = Math.min(known.cost, cost(index));
        if (sameAddress(known.told[0] as Contact, contact)) known.tellers += 1;
        else known.disputed = true;
        this.#noteElsewhere(known, contact);
        return;
      }
      const candidate: Candidate = {
        contact,
        told: [contact],
        parent,
        state: 'new',
        cost: cost(index),
        tellers: 1,
        toldIn: telling,
        disputed: false,
      };
      this.#live = null;
      this.#byId.set(contact.id, candidate);
      const isBehind = (at: number) => {
        const other = (this.#candidates[at] as Candidate).contact.position;
        return compareDistance(target, other, contact.position) <= 0;
      };
      let low = 0;
      let high = this.#candidates.length;
      // Answers are sorted, so the end is a good first guess.
      if (high > 0 && isBehind(high - 1)) low = high;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (isBehind(middle)) low = middle + 1;
        else high = middle;
      }
      if (low === this.#candidates.length) this.#candidates.push(candidate);
      else this.#candidates.splice(low, 0, candidate);
    });
    // From the far end, and only what was never asked.
    for (let at = this.#candidates.length - 1; at >= 0 && this.#candidates.length > MAX_CANDIDATES; at--) {
      const { state, contact } = this.#candidates[at] as Candidate;
      if (state !== 'new') continue;
      this.#candidates.splice(at, 1);
      this.#byId.delete(contact.id);
    }
  }

  #mergeAnswer(contacts: readonly Contact[], candidate: Candidate): void {
    const cost = (index: number) => candidate.cost + 1 + index;
    if (this.#state !== 'settled' || candidate.parent !== null || this.#maxCost === 0) {
      this.#merge(contacts, candidate, cost);
      return;
    }
    const before = this.#candidates.slice(0, NEAR);
    this.#merge(contacts, candidate, cost);
    const moved = this.#candidates.slice(0, NEAR).some((one, index) => one !== before[index]);
    this.#inVain = moved ? 0 : this.#inVain + 1;
    if (this.#inVain === CHAINS_IN_VAIN) this.#maxCost = 0;
  }

  #noteElsewhere(candidate: Candidate, contact: Contact): void {
    const { told, state } = candidate;
    if (told.length === MAX_TOLD || state === 'answered') return;
    if (told.some((other) => sameAddress(other, contact))) return;
    if (!contact.position.equals(candidate.contact.position)) return;
    told.push(contact);
    if (state === 'failed') this.#askElsewhere(candidate);
  }

  /** False where nobody has told of another address. */
  #askElsewhere(candidate: Candidate): boolean {
    const next = candidate.told[candidate.told.indexOf(candidate.contact) + 1];
    if (!next) return false;
    candidate.contact = next;
    candidate.state = 'new';
    this.#live = null;
    return true;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const suffices = () => this.#active > 0 && this.options.suffices(this.#active);
    while (this.#state !== 'done' && this.#active < this.#alpha && !suffices()) {
      const next = this.#next();
      if (!next) break;
      this.#ask(next);
    }
    this.#pumping = false;
    this.#conclude();
  }

  get #alpha(): number {
    return this.#state === 'settled' ? THOROUGH_ALPHA : ALPHA;
  }

  #next(): Candidate | null {
    if (this.#enough || this.#asked >= MAX_REQUESTS) return null;
    const close = this.#closestLive().find((candidate) => candidate.state === 'new');
    if (close || this.#state === 'running' || this.#maxCost === 0) return close ?? null;
    for (;;) {
      // The closest of equal cost is asked first. Who does not fit any more never will.
      let cheapest: Candidate | null = null;
      for (const candidate of this.#candidates) {
        const { state, cost } = candidate;
        if (state === 'new' && cost <= this.#maxCost && cost < (cheapest?.cost ?? Number.POSITIVE_INFINITY))
          cheapest = candidate;
      }
      if (!cheapest || this.#fits(cheapest)) return cheapest;
    }
  }

  #fits(candidate: Candidate): boolean {
    const fits = this.#prefixes.admit(candidate.contact);
    if (!fits) candidate.cost = Number.POSITIVE_INFINITY;
    return fits;
  }

  #ask(candidate: Candidate): void {
    candidate.state = 'asked';
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
      this.#live = null;
      stopWaiting();
      this.#pump();
    });
    const ended = (state: 'answered' | 'failed') => {
      if (state === 'answered' || !this.#askElsewhere(candidate)) candidate.state = state;
      this.#live = null;
      cancelHedge();
      stopWaiting();
      this.#outstanding -= 1;
      this.#pump();
    };
    this.environment.ask(candidate.contact, {
      onContacts: (contacts, then) => {
        if (this.#state === 'done') return;
        // It lives: it counts again, but the search need not wait for the rest of its answer.
        if (candidate.state === 'slow') this.#live = null;
        candidate.state = 'asked';
        cancelHedge();
        stopWaiting();
        this.#mergeAnswer(contacts, candidate);
        then?.();
        this.#pump();
      },
      onEnd: () => ended('answered'),
      onFailed: () => ended('failed'),
    });
  }

  #closestAnswered(): boolean {
    return this.#closestLive().every(({ state }) => state === 'answered');
  }

  #conclude(): void {
    if (this.#pumping) return;
    if (this.#state === 'running') {
      const ended = this.#enough || (this.#asked >= MAX_REQUESTS && this.#outstanding === 0);
      if (!ended && !this.#closestAnswered()) return;
      this.#state = 'settled';
      this.#maxCost = this.options.thorough();
      if (this.#maxCost > 0) this.#widen();
      this.options.onSettled(this);
      this.#pump();
    }
    if (this.#state !== 'settled') return;
    // Without anybody who is waited for, nobody was left to ask (pump).
    if (!this.#explored && this.#active === 0 && this.#closestAnswered()) {
      this.#explored = true;
      this.options.onExplored(this);
    }
    if (this.#enough || this.#outstanding === 0) {
      this.#state = 'done';
      this.options.onDone(this);
    }
  }
}
