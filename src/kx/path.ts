/**
 * Role: choosing the hops of a tunnel: pinned first and second hop, relays from the pool, the exchange point.
 *
 * Invariants: the exchange point is last (design 3: it counts as a hop); no peer twice; never this peer itself;
 * no two hops in one /16 (IPv4) or /32 (IPv6) where there are enough peers, private and loopback prefixes aside.
 *
 * Not here: where peers come from (peer-pool.ts), how pins behave (pinned-peers.ts).
 */

import { isPrivateAddress } from '../private-address.js';
import type { Candidate } from './peer-pool.js';
import type { PinnedPeers } from './pinned-peers.js';

export interface PathRequest {
  readonly exchangePoint: Candidate;
  /** Hops in all, the exchange point among them. */
  readonly hops: number;
  readonly self: Buffer;
  /** Whether prefixes of private networks count too. */
  readonly strict: boolean;
  /** How much a peer is suspected of having broken a circuit or lost its data, 0 for not at all: the more, the rather it is passed over. */
  readonly suspicionOf?: (peer: Candidate) => number;
  /** Peer identity: the first hop, where it is one of those that may be. */
  readonly preferredFirst?: Buffer | undefined;
  /** Milliseconds that a path takes, as far as is known: of two drawn ones the quicker is taken. */
  readonly delayOf?: (path: readonly Candidate[]) => number;
  /** Unix milliseconds. */
  readonly now: number;
}

/** Picks a number in [0, bound). */
export type RandomBelow = (bound: number) => number;

interface Pins {
  readonly first: PinnedPeers;
  readonly second: PinnedPeers;
}

/** The hops in order, or `null` where too few peers are known or up. */
export function choosePath(
  pool: readonly Candidate[],
  pins: Pins,
  request: PathRequest,
  randomBelow: RandomBelow,
): Candidate[] | null {
  const path = drawPath(pool, pins, request, randomBelow);
  const { delayOf } = request;
  if (path === null || delayOf === undefined) return path;
  const other = drawPath(pool, pins, request, randomBelow);
  return other !== null && delayOf(other) < delayOf(path) ? other : path;
}

function drawPath(
  pool: readonly Candidate[],
  pins: Pins,
  request: PathRequest,
  randomBelow: RandomBelow,
): Candidate[] | null {
  const { exchangePoint, hops, self, strict, now, suspicionOf = () => 0, preferredFirst } = request;
  const chosen: Candidate[] = [];
  for (let place = 0; place < hops - 1; place += 1) {
    const taken = [...chosen, exchangePoint];
    const free = (peer: Candidate) =>
      !peer.identity.equals(self) && !taken.some(({ identity }) => identity.equals(peer.identity));
    const diverse = (peer: Candidate) =>
      free(peer) && !taken.some((other) => samePrefix(peer, other, strict));
    // Never all from one trace, where the pool has others.
    const apart = (peers: readonly Candidate[]) => {
      const others = peers.filter((peer) => !chosen.some((other) => sameTrace(peer, other)));
      return others.length > 0 ? others : peers;
    };
    const eligible = (peer: Candidate) => !peer.identity.equals(self);
    const near = (a: Candidate, b: Candidate) => samePrefix(a, b, strict) || sameTrace(a, b);
    const from = (fits: (peer: Candidate) => boolean, mayGrow: boolean) => {
      if (place === 0) return pins.first.choose(pool, { eligible, fits, mayGrow, near, now });
      if (place === 1) return pins.second.choose(pool, { eligible, fits, mayGrow, near, now });
      return apart(pool.filter(fits));
    };
    const spread = from(diverse, false);
    // A small network may not have enough prefixes: then any peer will do.
    const found = spread.length > 0 ? spread : from(free, true);
    const least = Math.min(...found.map(suspicionOf));
    const candidates = found.filter((peer) => suspicionOf(peer) === least);
    const preferred =
      place === 0 ? candidates.find(({ identity }) => preferredFirst?.equals(identity)) : undefined;
    const candidate = preferred ?? candidates[randomBelow(Math.max(candidates.length, 1))];
    if (candidate === undefined) return null;
    chosen.push(candidate);
  }
  const bare = chosen.map(({ identity, address, port }) => ({ identity, address, port }));
  return [...bare, exchangePoint];
}

/** Whoever answered one trace may have named all of its peers. */
function sameTrace(a: Candidate, b: Candidate): boolean {
  return a.trace !== undefined && a.trace === b.trace;
}

function samePrefix(a: Candidate, b: Candidate, strict: boolean): boolean {
  const prefix = prefixOf(a.address, strict);
  return prefix !== null && prefix === prefixOf(b.address, strict);
}

/** The prefix that counts for diversity; none for private addresses unless `strict`. */
function prefixOf(address: string, strict: boolean): string | null {
  if (!strict && isPrivateAddress(address)) return null;
  if (address.includes(':')) return address.split(':').slice(0, 2).join(':');
  return address.split('.').slice(0, 2).join('.');
}
