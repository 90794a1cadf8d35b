/**
 * Role: choosing the hops of a tunnel from the peers that are known.
 *
 * Invariants: the exchange point is last (design 3: it counts as a hop); no peer twice; never this peer itself;
 * no two hops in one /16 (IPv4) or /32 (IPv6) where the pool is large enough, private and loopback prefixes aside.
 *
 * Not here: where peers come from (peer-pool.ts), guards (not there yet).
 */

import { isPrivateAddress } from './addresses.js';
import type { Candidate } from './peer-pool.js';

export interface PathRequest {
  readonly exchangePoint: Candidate;
  /** Hops in all, the exchange point among them. */
  readonly hops: number;
  readonly self: Buffer;
  /** Whether prefixes of private networks count too. */
  readonly strict: boolean;
}

/** Picks a number in [0, bound). */
export type RandomBelow = (bound: number) => number;

/** The hops in order, or `null` where the pool has too few peers. */
export function choosePath(
  pool: readonly Candidate[],
  request: PathRequest,
  randomBelow: RandomBelow,
): Candidate[] | null {
  const { exchangePoint, hops, self, strict } = request;
  const candidates = shuffled(
    pool.filter((peer) => !peer.identity.equals(self) && !peer.identity.equals(exchangePoint.identity)),
    randomBelow,
  );
  if (candidates.length < hops - 1) return null;
  const chosen: Candidate[] = [];
  const prefixes = new Set(prefixOf(exchangePoint.address, strict));
  for (const candidate of candidates) {
    if (chosen.length === hops - 1) break;
    const prefix = prefixOf(candidate.address, strict);
    if (prefix.some((text) => prefixes.has(text))) continue;
    chosen.push(candidate);
    for (const text of prefix) prefixes.add(text);
  }
  // A small network may not have enough prefixes: then any peer will do.
  for (const candidate of candidates) {
    if (chosen.length === hops - 1) break;
    if (!chosen.includes(candidate)) chosen.push(candidate);
  }
  return [...shuffled(chosen, randomBelow), exchangePoint];
}

/** The prefix that counts for diversity, or none for private addresses unless `strict`. */
function prefixOf(address: string, strict: boolean): string[] {
  if (!strict && isPrivateAddress(address)) return [];
  if (address.includes(':')) return [address.split(':').slice(0, 2).join(':')];
  return [address.split('.').slice(0, 2).join('.')];
}

function shuffled<T>(items: readonly T[], randomBelow: RandomBelow): T[] {
  const copy = [...items];
  for (let index = copy.length - 1; index > 0; index -= 1) {
    const other = randomBelow(index + 1);
    const held = copy[index] as T;
    copy[index] = copy[other] as T;
    copy[other] = held;
  }
  return copy;
}
