/**
 * The contents that this node keeps for the network.
 *
 * Invariants: at most KEY_BYTES of content a key (Spec 3.1, requirement 2), a bound over all and for each sender;
 * nothing is given out at or after its expiry; an identical content only extends its own life; a self-certifying
 * value replaces its own older version, is never replaced by an older one and is never pushed out by unsigned
 * contents, nor by those of a sender that has more here than its own. Not here: the network, disk, timers (the caller gives
 * the time).
 */
import { createHash, hash } from 'node:crypto';
import { decodeSignedValue } from '../identity/signed-value.js';
import type { StoreItem, StoreVerdict } from './rpc-message.js';
import { bytesOf, StoredContent, textOf } from './stored-content.js';

export const KEY_BYTES = 65_536;
/** Spec 3.1: content expires after 12 hours. */
export const MAX_TTL_MS = 43_200_000;
/** What one API message can carry (Spec 3.1.1). */
export const MAX_CONTENT_BYTES = 65_491;
export const MAX_CONTENTS_A_KEY = 1024;
/** A life that would become longer by less than this does not: that much comes from being handed on, again and again. */
const DRIFT_MS = 2_000;
/** What an entry costs in memory besides its content (measured), for the bounds over all and for each sender. */
const ENTRY_OVERHEAD_BYTES = 1_280;
/** Room is made for signed contents by this share of the whole store. */
const DROPPED_AT_ONCE = 64;
/** Signed contents make room where their sender has so many times as much here as the sender of the new one. */
const MUCH_MORE = 2;

/** In the place of a sender: what its owner put here himself, and nobody may learn of from us. */
export const UNSHARED = '00'.repeat(32);

export interface StoreLimits {
  readonly totalBytes: number;
  readonly senderBytes: number;
}

export const DEFAULT_STORE_LIMITS: StoreLimits = { totalBytes: 48 << 20, senderBytes: 8 << 20 };

interface Shelf {
  readonly keyText: string;
  /** As they are given out: what the key has signed first. Made anew with every change. */
  contents: readonly StoredContent[];
  bytes: number;
  /** When the contents were last brought to the nodes closest to the key, by us or by another. */
  checkedAtMs: number;
  /** Nothing expires before. */
  firstEndMs: number;
  /** Digest of the contents, until something changes. */
  digestText: string | null;
}

export function contentHash(content: Buffer): Buffer {
  return hash('sha256', content, 'buffer');
}

const extended = (heldMs: number, newMs: number) => (newMs - heldMs > DRIFT_MS ? newMs : heldMs);

/** 16 bytes that are equal for equal sets of contents, told by their hashes; null for none. */
export function digestOf(hashes: readonly Buffer[]): Buffer | null {
  if (hashes.length === 0) return null;
  const hash = createHash('sha256');
  for (const one of [...hashes].sort(Buffer.compare)) hash.update(one);
  return hash.digest().subarray(0, 16);
}

const NOTHING = Buffer.alloc(0);

const cost = (entry: StoredContent) => entry.bytes + ENTRY_OVERHEAD_BYTES;

export class ContentStore {
  readonly #shelves = new Map<string, Shelf>();
  readonly #senderBytes = new Map<string, number>();
  #totalBytes = 0;
  #unsignedBytes = 0;
  #changes = 0;

  constructor(readonly limits: StoreLimits = DEFAULT_STORE_LIMITS) {}

  get totals(): { keys: number; bytes: number } {
    return { keys: this.#shelves.size, bytes: this.#totalBytes };
  }

  /** Keeps a content or says why not. `sender` is the identity (hex) it came from. */
  put(item: StoreItem, sender: string, nowMs: number): StoreVerdict {
    const { key, content } = item;
    const signed = decodeSignedValue(content, key, Math.floor(nowMs / 1000));
    let expiresAtMs = nowMs + Math.min(item.ttlMs, MAX_TTL_MS);
    if (signed) expiresAtMs = Math.min(expiresAtMs, signed.expirySeconds * 1000);
    if (expiresAtMs <= nowMs || content.length > MAX_CONTENT_BYTES) return 'refused';
    const shelf = this.#living(key, nowMs);
    const hashText = textOf(contentHash(content));
    const same = shelf?.contents.find((held) => held.hashText === hashText);
    const entry = new StoredContent({
      keyText: shelf?.keyText ?? textOf(key),
      hashText,
      text: same?.text ?? textOf(content),
      expiresAtMs: same ? extended(same.expiresAtMs, expiresAtMs) : expiresAtMs,
      replication: Math.max(1, item.replication),
      sender: same?.sender ?? sender,
      sequence: signed?.sequence ?? null,
    });
    if (shelf && same) {
      this.#replace(shelf, entry);
      shelf.checkedAtMs = nowMs;
      return 'stored';
    }
    return this.#insert(shelf, entry, nowMs);
  }

  /** Answers an offer: refreshes where the content is held already. */
  offer(key: Buffer, hash: Buffer, ttlMs: number, nowMs: number): StoreVerdict {
    const shelf = this.#living(key, nowMs);
    const hashText = textOf(hash);
    const held = shelf?.contents.find((one) => one.hashText === hashText);
    if (!shelf || !held) return 'wanted';
    const limitMs = held.sequence === null ? Number.POSITIVE_INFINITY : held.expiresAtMs;
    const expiresAtMs = Math.min(limitMs, extended(held.expiresAtMs, nowMs + Math.min(ttlMs, MAX_TTL_MS)));
    this.#replace(shelf, new StoredContent({ ...held, expiresAtMs }));
    shelf.checkedAtMs = nowMs;
    return 'stored';
  }

  /** Contents of a key that live at `nowMs`: self-certifying ones first. */
  get(key: Buffer, nowMs: number): readonly StoredContent[] {
    return this.#living(key, nowMs)?.contents ?? [];
  }

  /** See {@link digestOf}. */
  digest(key: Buffer, nowMs: number): Buffer | null {
    const shelf = this.#living(key, nowMs);
    if (!shelf) return null;
    shelf.digestText ??= textOf(digestOf(shelf.contents.map((entry) => entry.hash)) ?? NOTHING);
    return bytesOf(shelf.digestText);
  }

  /** Removes what has expired, everywhere. */
  expire(nowMs: number): void {
    for (const shelf of [...this.#shelves.values()]) this.#expire(shelf, nowMs);
  }

  /** Keys whose contents nobody has brought to their place since `beforeMs`. */
  unchecked(beforeMs: number): Buffer[] {
    return [...this.#shelves.values()]
      .filter((shelf) => shelf.checkedAtMs < beforeMs)
      .map((shelf) => bytesOf(shelf.keyText));
  }

  /** How often something came or went: equal numbers mean equal contents. */
  get changes(): number {
    return this.#changes;
  }

  /** Everything that lives at `nowMs`. */
  all(nowMs: number): StoredContent[] {
    return [...this.#shelves.values()].flatMap((shelf) =>
      shelf.contents.filter((entry) => entry.expiresAtMs > nowMs),
    );
  }

  keys(): Buffer[] {
    return [...this.#shelves.values()].map((shelf) => bytesOf(shelf.keyText));
  }

  /** When the contents of the key were last brought to where they belong; never for a key that is not here. */
  checkedAtMs(key: Buffer): number {
    return this.#shelves.get(textOf(key))?.checkedAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** Notes that the contents of the key are where they belong. */
  checked(key: Buffer, nowMs: number): void {
    const shelf = this.#shelves.get(textOf(key));
    if (shelf) shelf.checkedAtMs = nowMs;
  }

  /** The shelf of a key without what has expired; null where nothing is left. */
  #living(key: Buffer, nowMs: number): Shelf | null {
    const shelf = this.#shelves.get(textOf(key));
    if (!shelf) return null;
    this.#expire(shelf, nowMs);
    return shelf.contents.length > 0 ? shelf : null;
  }

  #expire(shelf: Shelf, nowMs: number): void {
    if (nowMs < shelf.firstEndMs) return;
    shelf.firstEndMs = Number.POSITIVE_INFINITY;
    for (const entry of shelf.contents) {
      if (entry.expiresAtMs <= nowMs) this.#remove(shelf, entry);
      else shelf.firstEndMs = Math.min(shelf.firstEndMs, entry.expiresAtMs);
    }
  }

  #insert(shelf: Shelf | null, entry: StoredContent, nowMs: number): StoreVerdict {
    const older = (shelf?.contents ?? []).find((held) => held.sequence !== null);
    if (entry.sequence !== null && older?.sequence != null && older.sequence >= entry.sequence)
      return 'stale';
    const replaced = entry.sequence !== null ? older : undefined;
    const bytes = (shelf?.bytes ?? 0) - (replaced?.bytes ?? 0) + entry.bytes;
    const count = (shelf?.contents.length ?? 0) - (replaced ? 1 : 0) + 1;
    const victims: StoredContent[] = replaced ? [replaced] : [];
    if (bytes > KEY_BYTES || count > MAX_CONTENTS_A_KEY) {
      if (entry.sequence === null || !shelf) return 'full';
      victims.push(...this.#unsignedToDrop(shelf, bytes - KEY_BYTES, count - MAX_CONTENTS_A_KEY));
    }
    const freed = victims.reduce((sum, victim) => sum + cost(victim), 0);
    const senderBytes = (this.#senderBytes.get(entry.sender) ?? 0) + cost(entry);
    if (senderBytes > this.limits.senderBytes) return 'full';
    const missing = this.#totalBytes - freed + cost(entry) - this.limits.totalBytes;
    if (missing > 0 && (entry.sequence === null || !this.#makeRoom(missing, senderBytes))) return 'full';
    for (const victim of victims) this.#drop(victim);
    this.#add(entry, nowMs);
    return 'stored';
  }

  /** The unsigned contents that must go, those that expire first before the others. */
  #unsignedToDrop(shelf: Shelf, bytes: number, count: number): StoredContent[] {
    const unsigned = shelf.contents.filter((entry) => entry.sequence === null);
    unsigned.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    const chosen: StoredContent[] = [];
    let freed = 0;
    for (const entry of unsigned) {
      if (freed >= bytes && chosen.length >= count) break;
      chosen.push(entry);
      freed += entry.bytes;
    }
    return chosen;
  }

  /** For a signed content of a sender that has `senderBytes` here with it. False where nobody has to make room. */
  #makeRoom(bytes: number, senderBytes: number): boolean {
    // Finding whom to drop takes a look at everything: it must not be needed for each value of a flood.
    const atOnce = Math.max(bytes, this.limits.totalBytes / DROPPED_AT_ONCE);
    const entries = () => [...this.#shelves.values()].flatMap((shelf) => shelf.contents);
    if (bytes <= this.#unsignedBytes) {
      const weight = ({ sender }: StoredContent) => this.#senderBytes.get(sender) ?? 0;
      const unsigned = entries().filter((entry) => entry.sequence === null);
      unsigned.sort((a, b) => weight(b) - weight(a) || a.expiresAtMs - b.expiresAtMs);
      this.#dropSome(unsigned, atOnce);
      return true;
    }
    let [heaviest, most] = ['', 0];
    for (const [sender, held] of this.#senderBytes) if (held > most) [heaviest, most] = [sender, held];
    if (most < MUCH_MORE * senderBytes) return false;
    const theirs = entries().filter(({ sender }) => sender === heaviest);
    theirs.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    this.#dropSome(theirs, Math.max(bytes, Math.min(atOnce, most - senderBytes)));
    return true;
  }

  #dropSome(entries: readonly StoredContent[], bytes: number): void {
    let missing = bytes;
    for (const entry of entries) {
      if (missing <= 0) break;
      missing -= cost(entry);
      this.#drop(entry);
    }
  }

  #add(entry: StoredContent, nowMs: number): void {
    const { keyText } = entry;
    const shelf: Shelf = this.#shelves.get(keyText) ?? {
      keyText,
      contents: [],
      bytes: 0,
      checkedAtMs: nowMs,
      firstEndMs: entry.expiresAtMs,
      digestText: null,
    };
    this.#shelves.set(keyText, shelf);
    this.#place(shelf, entry);
    shelf.bytes += entry.bytes;
    shelf.checkedAtMs = nowMs;
    this.#account(entry, 1);
  }

  /** Puts an entry on its shelf, in the place of the one with the same content, if there is one. */
  #place(shelf: Shelf, entry: StoredContent): void {
    const { contents } = shelf;
    const at = contents.findIndex((held) => held.hashText === entry.hashText);
    if (at >= 0) shelf.contents = contents.with(at, entry);
    else shelf.contents = entry.sequence === null ? [...contents, entry] : [entry, ...contents];
    shelf.firstEndMs = Math.min(shelf.firstEndMs, entry.expiresAtMs);
    shelf.digestText = null;
  }

  #replace(shelf: Shelf, entry: StoredContent): void {
    this.#changes += 1;
    this.#place(shelf, entry);
  }

  #drop(entry: StoredContent): void {
    const shelf = this.#shelves.get(entry.keyText);
    if (shelf) this.#remove(shelf, entry);
  }

  #remove(shelf: Shelf, entry: StoredContent): void {
    const others = shelf.contents.filter((held) => held.hashText !== entry.hashText);
    if (others.length === shelf.contents.length) return;
    shelf.contents = others;
    shelf.bytes -= entry.bytes;
    shelf.digestText = null;
    if (shelf.contents.length === 0) this.#shelves.delete(shelf.keyText);
    this.#account(entry, -1);
  }

  #account(entry: StoredContent, sign: 1 | -1): void {
    this.#changes += 1;
    this.#totalBytes += sign * cost(entry);
    if (entry.sequence === null) this.#unsignedBytes += sign * cost(entry);
    const bytes = (this.#senderBytes.get(entry.sender) ?? 0) + sign * cost(entry);
    if (bytes > 0) this.#senderBytes.set(entry.sender, bytes);
    else this.#senderBytes.delete(entry.sender);
  }
}
