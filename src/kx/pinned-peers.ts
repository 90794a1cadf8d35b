/**
 * Role: a small set of peers that stand at the same place of all paths for a long time.
 *
 * Why: with freely chosen first hops, somebody who runs a tenth of the peers stands at both ends of a call sooner or
 * later on most days; with pinned ones only if a pinned one is his (design 3). The second hops are pinned, for
 * shorter, because a callee chooses the exchange point and could otherwise walk back to the first.
 *
 * Invariants: a member stays until its time is over, also while it is down; members that are down are passed over, and
 * further ones join only while too few are up, up to a bound. Time and randomness are arguments.
 *
 * Not here: the file (guards.ts), the path (path.ts).
 */

import type { RandomBelow } from './path.js';
import type { Candidate } from './peer-pool.js';

export interface PinnedPeer extends Candidate {
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** Not to be used before; unix milliseconds. */
  readonly downUntil: number;
  /** Failures in a row. */
  readonly failures: number;
}

export interface PinnedOptions {
  /** How many that are up are wanted. */
  readonly wanted: number;
  /** Most members, down ones among them. */
  readonly most: number;
  readonly lifetimeMs: { readonly least: number; readonly most: number };
}

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 30 * 60_000;

export class PinnedPeers {
  readonly #options: PinnedOptions;
  readonly #randomBelow: RandomBelow;
  #members: PinnedPeer[];

  constructor(options: PinnedOptions, members: readonly PinnedPeer[], randomBelow: RandomBelow) {
    this.#options = options;
    this.#members = members.slice(0, options.most);
    this.#randomBelow = randomBelow;
  }

  get members(): readonly PinnedPeer[] {
    return this.#members;
  }

  /**
   * The members that are up and satisfy `fits`, after filling up from `pool`. Addresses follow what the pool says.
   * Empty where even the pool has nobody.
   */
  choose(pool: readonly Candidate[], fits: (peer: Candidate) => boolean, now: number): Candidate[] {
    this.#members = this.#members
      .filter((member) => member.expiresAt > now)
      .map((member) => ({ ...member, ...(find(pool, member.identity) ?? {}) }));
    const up = () => this.#members.filter((member) => member.downUntil <= now && fits(member));
    const { wanted, most, lifetimeMs } = this.#options;
    const fresh = pool.filter((peer) => fits(peer) && find(this.#members, peer.identity) === undefined);
    while (up().length < wanted && this.#members.length < most && fresh.length > 0) {
      const [peer] = fresh.splice(this.#randomBelow(fresh.length), 1);
      if (peer === undefined) break;
      const lifetime = lifetimeMs.least + this.#randomBelow(lifetimeMs.most - lifetimeMs.least);
      this.#members.push({ ...peer, expiresAt: now + lifetime, downUntil: 0, failures: 0 });
    }
    return up();
  }

  /** A member did not answer, or tore circuits down: it has a pause, longer each time. */
  noteFailure(identity: Buffer, now: number): void {
    this.#update(identity, (member) => {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** member.failures, LONGEST_PAUSE_MS);
      return { ...member, failures: member.failures + 1, downUntil: now + pause };
    });
  }

  /** A circuit through a member works. */
  noteSuccess(identity: Buffer): void {
    this.#update(identity, (member) => ({ ...member, failures: 0, downUntil: 0 }));
  }

  #update(identity: Buffer, change: (member: PinnedPeer) => PinnedPeer): void {
    this.#members = this.#members.map((member) =>
      member.identity.equals(identity) ? change(member) : member,
    );
  }
}

function find(peers: readonly Candidate[], identity: Buffer): Candidate | undefined {
  return peers.find((peer) => peer.identity.equals(identity));
}
