/**
 * The routing table: buckets of up to 20 contacts by shared prefix with our own position.
 *
 * Invariants: only contacts that completed a round trip with us are offered; a bucket holds at most BUCKET_SIZE;
 * old contacts that answer are kept in preference to new ones (a newcomer waits as a candidate until the contact
 * that was heard of longest ago has been pinged in vain). Not here: sending that ping.
 * `admits` is the hook for prefix caps.
 */
import { type Contact, sameAddress } from './contact.js';
import { ID_BITS, idHead, sharedPrefixBits } from './distance.js';
import { Nearest } from './nearest.js';

export const BUCKET_SIZE = 20;
const MAX_CANDIDATES = 20;
/** Requests in a row that may stay unanswered before a contact goes. */
const MAX_FAILURES = 2;

interface Entry {
  contact: Contact;
  /** Whole seconds, which V8 keeps without a box. */
  heardSeconds: number;
  failures: number;
  /** The first 32 bits of the position: reading them where they are needed would be slow, for 32 bytes a contact are far apart. */
  head: number;
}

/** Its arrays are made anew when they grow, as those that V8 makes longer keep room for more. */
interface Bucket {
  /** Heard of longest ago first. */
  entries: Entry[];
  candidates: Entry[];
}

export type OfferResult =
  | { readonly outcome: 'added' | 'refreshed' | 'refused' }
  /** The bucket is full: ping `oldest`, last heard of at `heardMs`; its failure makes room. */
  | { readonly outcome: 'waiting'; readonly oldest: Contact; readonly heardMs: number };

const REFUSED: OfferResult = { outcome: 'refused' };
const REFRESHED: OfferResult = { outcome: 'refreshed' };

export class RoutingTable {
  /** By shared prefix; made with the first contact, as most stay empty. */
  readonly #buckets: (Bucket | undefined)[] = [];
  #size = 0;

  constructor(
    readonly position: Buffer,
    readonly ownId: string,
    readonly admits: (contact: Contact, bucket: readonly Contact[]) => boolean = () => true,
  ) {}

  get size(): number {
    return this.#size;
  }

  get(contact: Contact): Contact | null {
    const entries = this.#bucket(contact)?.entries ?? [];
    return entries[indexOf(entries, contact)]?.contact ?? null;
  }

  /**
   * Takes a contact that has just answered us. One that we know elsewhere counts there until it fails there, for a liar
   * could have told us of it at an address where he passes its datagrams on.
   * @param ofItself it told us of this address itself
   */
  offer(contact: Contact, nowMs: number, ofItself = false): OfferResult {
    const bits = sharedPrefixBits(this.position, contact.position);
    if (bits === ID_BITS || contact.id === this.ownId) return REFUSED;
    const bucket = this.#buckets[bits] ?? { entries: [], candidates: [] };
    this.#buckets[bits] = bucket;
    const index = indexOf(bucket.entries, contact);
    if (index >= 0) {
      const known = bucket.entries[index] as Entry;
      const moved = known.contact !== contact && !sameAddress(known.contact, contact);
      if (moved && !ofItself && known.failures === 0) return REFUSED;
      bucket.entries.splice(index, 1);
      if (moved && !this.admits(contact, contactsOf(bucket))) {
        this.#size -= 1;
        return REFUSED;
      }
      // There is room for it: one has just left.
      bucket.entries.push(renewed(known, contact, nowMs));
      return REFRESHED;
    }
    if (!this.admits(contact, contactsOf(bucket))) return REFUSED;
    if (bucket.entries.length < BUCKET_SIZE) {
      bucket.entries = [...bucket.entries, entryOf(contact, nowMs)];
      this.#size += 1;
      return { outcome: 'added' };
    }
    const others = bucket.candidates.filter((candidate) => candidate.contact.id !== contact.id);
    bucket.candidates = [...others.slice(1 - MAX_CANDIDATES), entryOf(contact, nowMs)];
    const { contact: oldest, heardSeconds } = bucket.entries[0] as Entry;
    return { outcome: 'waiting', oldest, heardMs: heardSeconds * 1000 };
  }

  /** Whether a newcomer could enter, or wait for a place that may soon be free; everybody here was heard of since `freshMs` else. */
  hasUse(contact: Contact, freshMs: number): boolean {
    const { entries, candidates } = this.#bucket(contact) ?? { entries: [], candidates: [] };
    const [oldest] = entries;
    const [longestWaiting] = candidates;
    if (entries.length < BUCKET_SIZE || candidates.length < MAX_CANDIDATES || !oldest || !longestWaiting)
      return true;
    return Math.min(oldest.heardSeconds, longestWaiting.heardSeconds) * 1000 < freshMs;
  }

  /** A request to the contact failed for good. True where it left the table; a candidate may have taken its place. */
  failed(contact: Contact): boolean {
    const bucket = this.#bucket(contact);
    const index = bucket ? indexOf(bucket.entries, contact) : -1;
    if (!bucket || index < 0) return false;
    const entry = bucket.entries[index] as Entry;
    entry.failures += 1;
    const others = contactsOf(bucket).filter((one) => one.id !== contact.id);
    const at = bucket.candidates.findLastIndex((candidate) => this.admits(candidate.contact, others));
    if (entry.failures < MAX_FAILURES && at < 0) return false;
    bucket.entries.splice(index, 1);
    const [next] = at < 0 ? [] : bucket.candidates.splice(at, 1);
    if (next) bucket.entries.push(next);
    else this.#size -= 1;
    return true;
  }

  /** Takes out whoever is not `valid` any more; gives them. */
  prune(valid: (contact: Contact) => boolean): Contact[] {
    const gone: Contact[] = [];
    for (const bucket of this.#buckets) {
      if (!bucket) continue;
      bucket.candidates = bucket.candidates.filter(({ contact }) => valid(contact));
      gone.push(...contactsOf(bucket).filter((contact) => !valid(contact)));
      bucket.entries = bucket.entries.filter(({ contact }) => valid(contact));
    }
    this.#size -= gone.length;
    return gone;
  }

  /** Up to `count` contacts, closest to `target` first. */
  closest(target: Buffer, count: number, without?: string): Contact[] {
    const nearest = new Nearest(target, count, without);
    const take = (bucket: Bucket | undefined) => {
      if (bucket) for (const { contact, head } of bucket.entries) nearest.add(contact, head);
    };
    // The bucket of the target is closer to it than the deeper ones together, and those than each shallower one.
    const bits = sharedPrefixBits(this.position, target);
    take(this.#buckets[bits]);
    nearest.next();
    for (let i = bits + 1; i < this.#buckets.length && !nearest.full; i++) take(this.#buckets[i]);
    for (let i = bits - 1; i >= 0 && !nearest.full; i--) {
      nearest.next();
      take(this.#buckets[i]);
    }
    return nearest.found;
  }

  contacts(): Contact[] {
    return this.#entries().map((entry) => entry.contact);
  }

  /** Contacts not heard of since `beforeMs`, longest ago first. */
  stale(beforeMs: number): Contact[] {
    return this.#entries()
      .filter((entry) => entry.heardSeconds * 1000 < beforeMs)
      .sort((a, b) => a.heardSeconds - b.heardSeconds)
      .map((entry) => entry.contact);
  }

  /** Number of leading bits up to which buckets can be filled: the deepest bucket with a contact. */
  deepestBucket(): number {
    return Math.max(
      0,
      this.#buckets.findLastIndex((bucket) => bucket && bucket.entries.length > 0),
    );
  }

  #entries(): Entry[] {
    return this.#buckets.flatMap((bucket) => bucket?.entries ?? []);
  }

  #bucket(contact: Contact): Bucket | undefined {
    return this.#buckets[sharedPrefixBits(this.position, contact.position)];
  }
}

function entryOf(contact: Contact, nowMs: number): Entry {
  return { contact, heardSeconds: Math.floor(nowMs / 1000), failures: 0, head: idHead(contact.position) };
}

/** Where the contact is, or -1. Nearly always it is where its position is: ids, which say it, are far apart in memory. */
function indexOf(entries: readonly Entry[], contact: Contact): number {
  const head = idHead(contact.position);
  const index = entries.findIndex((entry) => entry.head === head && entry.contact.id === contact.id);
  return index >= 0 ? index : entries.findIndex((entry) => entry.contact.id === contact.id);
}

/** The same entry, heard of now. */
function renewed(entry: Entry, contact: Contact, nowMs: number): Entry {
  entry.contact = contact;
  entry.heardSeconds = Math.floor(nowMs / 1000);
  entry.failures = 0;
  entry.head = idHead(contact.position);
  return entry;
}

function contactsOf(bucket: Bucket): Contact[] {
  return bucket.entries.map((entry) => entry.contact);
}
