/**
 * The choice of the hops of an onion behind its pinned first one.
 *
 * Second hop and exit are equally likely to be any two of the pool. Invariants: never the same node twice, never
 * ourselves; neighbours by prefix, suspects, and hops of another onion of the same request only where there is nobody else, in
 * this order. Not here: the pool (hop-pool.ts), the first hop (pinned-hops.ts).
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
  const exit = pick(exits, [first], avoidExit, options);
  if (!exit || hops === 2) return exit && [first, exit];
  const second = pick(
    free.filter(({ id }) => id !== exit.id),
    [first, exit],
    avoidSecond,
    options,
  );
  return second && [first, second, exit];
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
