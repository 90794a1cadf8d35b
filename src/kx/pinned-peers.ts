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

/** What one path asks of the set. */
export interface PinnedRequest {
  /** Who may be a member at all. */
  readonly eligible: (peer: Candidate) => boolean;
  /** Who may stand on this path. */
  readonly fits: (peer: Candidate) => boolean;
  readonly mayGrow: boolean;
  /** Whether two peers are too close for one path: members are spread, so that few stand in each other's way. */
  readonly near: (a: Candidate, b: Candidate) => boolean;
  /** Unix milliseconds. */
  readonly now: number;
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
   * The members that are up and satisfy `fits`, after filling up with those of `pool` that are `eligible` at all.
   * Addresses follow what the pool says. Who does not fit for one path still counts as a member, so that nobody makes
   * the set grow by choosing where paths lead; only where `mayGrow` and no member fits, one that fits joins.
   */
  choose(pool: readonly Candidate[], request: PinnedRequest): Candidate[] {
    const { eligible, fits, mayGrow, near, now } = request;
    this.#members = this.#members
      .filter((member) => member.expiresAt > now)
      .map((member) => ({ ...member, ...(find(pool, member.identity) ?? {}) }));
    const up = () => this.#members.filter((member) => member.downUntil <= now);
    while (up().length < this.#options.wanted && this.#join(pool.filter(eligible), near, now));
    const found = up().filter(fits);
    if (found.length > 0 || !mayGrow) return found;
    this.#join(
      pool.filter((peer) => eligible(peer) && fits(peer)),
      near,
      now,
    );
    return up().filter(fits);
  }

  /** Takes one more member from `pool`; `false` where there is none, or no room. */
  #join(pool: readonly Candidate[], near: PinnedRequest['near'], now: number): boolean {
    const { most, lifetimeMs } = this.#options;
    const others = pool.filter((peer) => find(this.#members, peer.identity) === undefined);
    const spread = others.filter((peer) => !this.#members.some((member) => near(peer, member)));
    const fresh = spread.length > 0 ? spread : others;
    const peer = fresh[this.#randomBelow(Math.max(fresh.length, 1))];
    if (peer === undefined || this.#members.length >= most) return false;
    const lifetime = lifetimeMs.least + this.#randomBelow(lifetimeMs.most - lifetimeMs.least);
    this.#members.push({ ...peer, expiresAt: now + lifetime, downUntil: 0, failures: 0 });
    return true;
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
