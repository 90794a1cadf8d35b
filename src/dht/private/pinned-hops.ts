/**
 * The first hops of our onions: a few nodes, kept for long, of which the first that is up is used.
 *
 * With a first hop chosen anew each time, somebody who runs a fifth of the nodes would be first hop and exit at once for
 * everybody sooner or later; with a pinned one only for those whose pinned one is his.
 * Invariants: a member stays until its time is over; only failures of its own leg, several in a row, or more onions that
 * die behind it than others on the path could bring about make us pass it over, for a while; another joins only where
 * too few are up, and only one that has been away for a day, while another was there, makes room. Until the network is known well enough, one is used that is not pinned.
 * Not here: the file (pinned-store.ts), the rest of the path (path-choice.ts).
 */
import type { Contact, UnverifiedContact } from '../contact.js';

export interface PinnedHop {
  readonly contact: UnverifiedContact;
  readonly expiresAtMs: number;
  /** Not to be used before. */
  readonly downUntilMs: number;
  /** Since when it has been failing without a break; 0 where it works. */
  readonly failingSinceMs: number;
  /** Too many onions died behind it: not to be used before, while there is another. */
  readonly distrustedUntilMs: number;
  /** Failures of its own leg in a row. */
  readonly failures: number;
}

export interface PinnedRequest {
  readonly candidates: readonly Contact[];
  /** Whether the candidates are such that one may be pinned. */
  readonly settled: boolean;
  /** First hops that have failed this very request. */
  readonly avoid: ReadonlySet<string>;
  /** A member as it is now. */
  readonly resolve: (contact: UnverifiedContact) => Contact;
  readonly near: (a: Contact, b: UnverifiedContact) => boolean;
  readonly randomBelow: (bound: number) => number;
  readonly nowMs: number;
}

export const PINNED_WANTED = 2;
const MOST = 6;
const DAY_MS = 86_400_000;
const LIFE_MS = 30 * DAY_MS;
const LIFE_SPREAD_MS = 30 * DAY_MS;
/** Failures in a row that are taken for bad luck. */
const PATIENCE = 3;
/** What one that is away for a day has at least. */
const GONE_FAILURES = 10;
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 1_800_000;
/**
 * Onions looked back at, and how many of them may die behind a first hop. Where a fifth of the nodes let onions die to
 * make us change first hops, 36 % do; one that itself lets die what will not end at an exit of its own loses 80 %.
 */
export const RECENT = 40;
export const MOST_DYING = 24;
const DISTRUSTED_MS = DAY_MS;

export class PinnedHops {
  #members: PinnedHop[];
  #provisional: Contact | null = null;
  /** Whether the last onions got through, for each member. */
  readonly #recent = new Map<string, boolean[]>();

  constructor(
    members: readonly PinnedHop[] = [],
    /** The members have changed. */
    readonly onChange: (members: readonly PinnedHop[]) => void = () => {},
  ) {
    this.#members = members.slice(0, MOST);
  }

  get members(): readonly PinnedHop[] {
    return this.#members;
  }

  /** The first hop to use now, or null where nobody is known. */
  choose(request: PinnedRequest): Contact | null {
    const { candidates, settled, avoid, resolve, nowMs } = request;
    // Where none works it is our own connection that is gone, and whoever cut it must not make us choose anew.
    const online = this.#members.some(({ failures }) => failures === 0);
    const gone = (one: PinnedHop) =>
      online && one.failures >= GONE_FAILURES && nowMs - one.failingSinceMs >= DAY_MS;
    const fresh = this.#members.filter((one) => one.expiresAtMs > nowMs && !gone(one));
    if (fresh.length < this.#members.length) this.#change(fresh);
    const up = () =>
      this.#members
        .filter((one) => one.downUntilMs <= nowMs && one.distrustedUntilMs <= nowMs)
        .map(({ contact }) => resolve(contact));
    this.#keepCurrent(up());
    while (settled && up().length < PINNED_WANTED && this.#join(request));
    const chosen = up().find(({ id }) => !avoid.has(id));
    if (chosen) return chosen;
    // Nobody as it should be: rather one that is passed over than one that was never chosen for long.
    const [other] = settled ? [...this.#members].sort((a, b) => a.downUntilMs - b.downUntilMs) : [];
    return other ? resolve(other.contact) : this.#withoutPin(candidates, request);
  }

  /** Its own leg failed. */
  noteFailure(id: string, nowMs: number): void {
    this.#update(id, (member) => {
      const failures = member.failures + 1;
      const pauses = failures - PATIENCE;
      const pauseMs = pauses < 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** pauses, LONGEST_PAUSE_MS);
      const failingSinceMs = member.failingSinceMs === 0 ? nowMs : member.failingSinceMs;
      return { ...member, failures, failingSinceMs, downUntilMs: nowMs + pauseMs };
    });
    if (this.#provisional?.id === id) this.#provisional = null;
  }

  /** What became of an onion behind it. One that lets most of them die has a reason, or is no use. */
  noteBehind(id: string, arrived: boolean, nowMs: number): void {
    const recent = [...(this.#recent.get(id) ?? []), arrived].slice(-RECENT);
    const pinned = this.#members.find(({ contact }) => contact.id === id);
    if (!pinned) return;
    this.#recent.set(id, recent);
    if (arrived && pinned.failures > 0) {
      this.#update(id, (member) => ({ ...member, failures: 0, failingSinceMs: 0, downUntilMs: 0 }));
    }
    if (recent.length < RECENT || recent.filter((one) => !one).length <= MOST_DYING) return;
    this.#recent.delete(id);
    this.#update(id, (member) => ({ ...member, distrustedUntilMs: nowMs + DISTRUSTED_MS }));
  }

  /** Members move, and prove their positions anew: what is kept must still serve after a restart. */
  #keepCurrent(contacts: readonly Contact[]): void {
    const moved = (old: UnverifiedContact, now: Contact) =>
      old.ipv4 !== now.ipv4 ||
      old.ipv6 !== now.ipv6 ||
      old.port !== now.port ||
      !old.key.equals(now.key) ||
      !old.proof.nonce.equals(now.proof.nonce);
    for (const now of contacts) {
      const member = this.#members.find(({ contact }) => contact.id === now.id);
      if (member && moved(member.contact, now)) this.#update(now.id, (old) => ({ ...old, contact: now }));
    }
  }

  #withoutPin(candidates: readonly Contact[], { avoid, randomBelow }: PinnedRequest): Contact | null {
    const free = candidates.filter(({ id }) => !avoid.has(id));
    const from = free.length > 0 ? free : candidates;
    const kept = from.find(({ id }) => id === this.#provisional?.id);
    this.#provisional = kept ?? from[randomBelow(Math.max(1, from.length))] ?? null;
    return this.#provisional;
  }

  /** One more member; false where there is none to be had, or no room. */
  #join({ candidates, near, randomBelow, nowMs }: PinnedRequest): boolean {
    const others = candidates.filter(({ id }) => !this.#members.some(({ contact }) => contact.id === id));
    const spread = others.filter((one) => !this.#members.some(({ contact }) => near(one, contact)));
    const from = spread.length > 0 ? spread : others;
    const contact = from[randomBelow(Math.max(1, from.length))];
    if (!contact || this.#members.length >= MOST) return false;
    const expiresAtMs = nowMs + LIFE_MS + randomBelow(LIFE_SPREAD_MS);
    this.#change([
      ...this.#members,
      { contact, expiresAtMs, downUntilMs: 0, distrustedUntilMs: 0, failingSinceMs: 0, failures: 0 },
    ]);
    return true;
  }

  #update(id: string, change: (member: PinnedHop) => PinnedHop): void {
    if (!this.#members.some(({ contact }) => contact.id === id)) return;
    this.#change(this.#members.map((member) => (member.contact.id === id ? change(member) : member)));
  }

  #change(members: PinnedHop[]): void {
    this.#members = members;
    this.onChange(members);
  }
}
