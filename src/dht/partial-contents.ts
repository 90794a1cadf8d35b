/**
 * Contents that arrive in parts, over one stream or several, and may go on where another stream broke off.
 *
 * Invariants: a content is given out only if its hash is the one its parts were announced with, and once; parts are
 * taken in order only; bounded in number and size. Not here: streams, who is asked (content-fetches.ts).
 */
import type { ContentPart, HeldPart } from './rpc-message.js';
import { contentHash, MAX_CONTENT_BYTES } from './store.js';

/** As many contents as a key can have at one node and some more; the rest is not begun. */
const MAX_CONTENTS = 1_200;
/** All contents of a key at one node, and as much again of others. */
const MAX_BYTES = 262_144;

interface Partial {
  readonly hash: Buffer;
  readonly totalBytes: number;
  chunks: Buffer[];
  bytes: number;
}

export type PartOutcome = 'taken' | 'complete' | 'spoiled' | 'ignored';

export class PartialContents {
  readonly #contents = new Map<string, Partial>();
  #bytes = 0;

  constructor(readonly onContent: (content: Buffer) => void) {}

  /** What need not be sent (again). */
  held(): HeldPart[] {
    return [...this.#contents.values()]
      .filter(({ bytes }) => bytes > 0)
      .map(({ hash, bytes }) => ({ hash, bytes }));
  }

  /** `spoiled`: all parts were here and the hash was another, so it begins anew. */
  add({ hash, totalBytes, offset, bytes }: ContentPart): PartOutcome {
    const id = hash.toString('latin1');
    let content = this.#contents.get(id);
    if (!content) {
      if (totalBytes > MAX_CONTENT_BYTES || this.#contents.size >= MAX_CONTENTS) return 'ignored';
      content = { hash, totalBytes, chunks: [], bytes: 0 };
      this.#contents.set(id, content);
    }
    const behind = content.bytes - offset;
    const wanted = content.bytes < totalBytes || totalBytes === 0;
    if (totalBytes !== content.totalBytes || behind < 0 || !wanted) return 'ignored';
    const fresh = bytes.subarray(behind, behind + content.totalBytes - content.bytes);
    if (fresh.length === 0 && totalBytes > 0) return 'ignored';
    this.#makeRoom(fresh.length, id);
    content.chunks.push(fresh);
    content.bytes += fresh.length;
    this.#bytes += fresh.length;
    return content.bytes < totalBytes ? 'taken' : this.#finish(id, content);
  }

  /** Whoever begins contents and does not end them holds up nobody else's: what was begun first gives way. */
  #makeRoom(bytes: number, without: string): void {
    for (const [id, { chunks, bytes: held }] of this.#contents) {
      if (this.#bytes + bytes <= MAX_BYTES) return;
      if (id === without || chunks.length === 0) continue;
      this.#contents.delete(id);
      this.#bytes -= held;
    }
  }

  #finish(id: string, content: Partial): PartOutcome {
    const whole = Buffer.concat(content.chunks);
    this.#bytes -= content.bytes;
    // What is complete stays known, so that it is not sent again, but takes no more room.
    content.chunks = [];
    if (contentHash(whole).equals(content.hash)) {
      this.onContent(whole);
      return 'complete';
    }
    this.#contents.delete(id);
    return 'spoiled';
  }
}
