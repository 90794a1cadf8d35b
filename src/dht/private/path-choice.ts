/**
 * The choice of the hops of an onion behind its pinned first one.
 *
 * Second hop and exit are equally likely to be any two of the pool. Invariants: never the same node twice, never
 * ourselves; neighbours by prefix, suspects, and hops of another onion of the same request only where there is nobody else, in
 * this order; every hop has a family of addresses in common with the next, where there are such.
 * Not here: the pool (hop-pool.ts), the first hop (pinned-hops.ts).
 */
import type { Contact } from '../contact.js';

export interface PathOptions {
  /** 1 to MAX_HOPS; the first is the exit as well where it is 1. */
  readonly hops: number;
  readonly selfId: string;
  readonly near: (a: Contact, b: Contact) => boolean;
  readonly suspect: (contact: Contact) => boolean;
  readonly avoidSecond: ReadonlySet<string>;
  readonly avoidExit: ReadonlySet<string>;
  /** No path at all rather than one to an exit of `avoidExit`. */
  readonly otherExit: boolean;
  /** A number in [0, bound). */
  readonly randomBelow: (bound: number) => number;
}

/** The path, first hop first, or null where the pool has too few. */
export function choosePath(
  first: Contact,
  pool: readonly Contact[],
  options: PathOptions,
): readonly Contact[] | null {
  const { hops, selfId, avoidSecond, avoidExit, otherExit } = options;
  if (hops <= 1) return otherExit && avoidExit.has(first.id) ? null : [first];
  const free = pool.filter(({ id }) => id !== selfId && id !== first.id);
  const exits = otherExit ? free.filter(({ id }) => !avoidExit.has(id)) : free;
  const between = (exit: Contact) =>
    free.filter((one) => one.id !== exit.id && reaches(first, one) && reaches(one, exit));
  const reached = exits.filter((one) => (hops === 2 ? reaches(first, one) : between(one).length > 0));
  const exit = pick(reached.length > 0 ? reached : exits, [first], avoidExit, options);
  if (!exit || hops === 2) return exit && [first, exit];
  const seconds = between(exit);
  const others = seconds.length > 0 ? seconds : free.filter(({ id }) => id !== exit.id);
  const second = pick(others, [first, exit], avoidSecond, options);
  return second && [first, second, exit];
}

/** Whether they have a family of addresses in common. */
function reaches(a: Contact, b: Contact): boolean {
  return (a.ipv4 !== null && b.ipv4 !== null) || (a.ipv6 !== null && b.ipv6 !== null);
}

function pick(
  from: readonly Contact[],
  taken: readonly Contact[],
  avoid: ReadonlySet<string>,
  { near, suspect, randomBelow }: PathOptions,
): Contact | null {
  const other = from.filter(({ id }) => !avoid.has(id));
  const trusted = other.filter((contact) => !suspect(contact));
  const spread = trusted.filter((contact) => !taken.some((one) => near(contact, one)));
  const choice = [spread, trusted, other, from].find((some) => some.length > 0);
  return choice?.[randomBelow(choice.length)] ?? null;
}
