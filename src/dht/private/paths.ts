/**
 * Paths for our onions, and what we learn from those that failed.
 *
 * Invariant: only the first hop's own leg counts against it at once; who fails behind it leaves the pool and is passed
 * over for a while, the one that says so along with the one that it says it of, for either may lie.
 * Not here: the parts (pinned-hops.ts, hop-pool.ts, path-choice.ts).
 */
import type { Diversity } from '../../config/config.js';
import type { Contact, UnverifiedContact } from '../contact.js';
import type { Network } from '../network.js';
import { positionOf } from '../position.js';
import { HopPool } from './hop-pool.js';
import { MAX_HOPS } from './onion.js';
import type { Fault } from './onion-run.js';
import { choosePath } from './path-choice.js';
import type { PinnedHops } from './pinned-hops.js';
import { nearby } from './prefix.js';
import { Suspects } from './suspects.js';

/** After this the table is what it will be, also where it is small. */
const SETTLED_MS = 60_000;

/** What the onions of one request have in common, so that they differ where they should. */
export interface PathNeeds {
  readonly avoidFirst: ReadonlySet<string>;
  readonly avoidSecond: ReadonlySet<string>;
  readonly avoidExit: ReadonlySet<string>;
  /** No path rather than one to the same exit. */
  readonly otherExit: boolean;
}

export const NO_NEEDS: PathNeeds = {
  avoidFirst: new Set(),
  avoidSecond: new Set(),
  avoidExit: new Set(),
  otherExit: false,
};

export interface PathsParts {
  readonly network: Network;
  readonly pinned: PinnedHops;
  readonly diversity: Diversity;
}

/** A position ends with its epoch; a member serves on, under the same key at the same address. */
function former(contact: UnverifiedContact): Contact {
  return { ...contact, position: positionOf(contact.identity, contact.proof) };
}

export class Paths {
  readonly pool: HopPool;
  readonly suspects = new Suspects();
  readonly #o: PathsParts;
  readonly #sinceMs: number;
  readonly #near = (a: UnverifiedContact, b: UnverifiedContact) => nearby(a, b, this.#o.diversity);
  readonly #randomBelow = (bound: number) => this.#o.network.parts.random.bytes(6).readUIntBE(0, 6) % bound;

  constructor(parts: PathsParts) {
    this.#o = parts;
    this.pool = new HopPool(parts.network, this.#near);
    this.#sinceMs = parts.network.now;
  }

  /** Hops that a path has now: fewer than MAX_HOPS where there are fewer other nodes; 0 where there is none. */
  get hops(): number {
    return Math.min(MAX_HOPS, this.pool.known);
  }

  /** Whether enough of the network is known to pin first hops. */
  get settled(): boolean {
    return this.pool.filled || this.#o.network.now - this.#sinceMs > SETTLED_MS;
  }

  /** The first hop of the next path; null where nobody is known. */
  firstHop(avoid: ReadonlySet<string> = new Set(), candidates = this.pool.candidates()): Contact | null {
    const { network, pinned } = this.#o;
    return pinned.choose({
      ...{ candidates, avoid, near: this.#near, randomBelow: this.#randomBelow, nowMs: network.now },
      settled: this.settled,
      resolve: (contact) => this.pool.latest(contact.id) ?? network.parts.verify(contact) ?? former(contact),
    });
  }

  choose(needs: PathNeeds): readonly Contact[] | null {
    const { network } = this.#o;
    const candidates = this.pool.candidates();
    const first = this.firstHop(needs.avoidFirst, candidates);
    if (!first) return null;
    const nowMs = network.now;
    return choosePath(first, candidates, {
      ...{ ...needs, near: this.#near, randomBelow: this.#randomBelow, hops: this.hops },
      selfId: network.parts.self.id,
      suspect: (contact) => this.suspects.has(contact, nowMs),
    });
  }

  onFault(path: readonly Contact[], fault: Fault): void {
    const { pinned, network } = this.#o;
    const [first] = path;
    if (!first || fault.kind === 'own' || fault.kind === 'busy') return;
    if (fault.kind === 'first') {
      pinned.noteFailure(first.id, network.now);
      return;
    }
    pinned.noteBehind(first.id, false, network.now);
    const from = fault.kind === 'silent' ? 1 : Math.max(1, fault.hop);
    const to = fault.kind === 'silent' ? path.length : fault.hop + 2;
    for (const contact of path.slice(from, to)) this.suspect(contact);
  }

  onWorks(path: readonly Contact[]): void {
    const [first] = path;
    if (first) this.#o.pinned.noteBehind(first.id, true, this.#o.network.now);
  }

  suspect(contact: Contact): void {
    this.suspects.add(contact, this.#o.network.now);
    this.pool.drop(contact);
  }
}
