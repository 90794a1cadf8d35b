/**
 * Contents that one holder sends in parts, over one stream or several that go on where the last broke off.
 *
 * Invariants: a content is given out only if its hash is the one its parts were announced with, and once; parts are
 * taken in order only; bounded in number and size. Not here: streams, who is asked (content-fetches.ts).
 */
import type { ContentPart, HeldPart } from './rpc-message.js';
import { contentHash, KEY_BYTES, MAX_CONTENT_BYTES, MAX_CONTENTS_A_KEY } from './store.js';

interface Partial {
  readonly hash: Buffer;
  readonly totalBytes: number;
  readonly chunks: Buffer[];
  bytes: number;
}

export type PartOutcome = 'taken' | 'complete' | 'spoiled' | 'ignored';

export class PartialContents {
  readonly #contents = new Map<string, Partial>();
  /** All that this holder has sent: an honest one has no more for a key. */
  #bytes = 0;

  /** @param whole contents that are here, from any holder: hash as latin1, length */
  constructor(
    readonly whole: Map<string, number>,
    readonly onContent: (content: Buffer) => void,
  ) {}

  /** What need not be sent (again). */
  held(): HeldPart[] {
    const whole = [...this.whole].map(([id, bytes]) => ({ hash: Buffer.from(id, 'latin1'), bytes }));
    const begun = [...this.#contents.values()].map(({ hash, bytes }) => ({ hash, bytes }));
    return [...whole, ...begun].filter(({ bytes }) => bytes > 0).slice(0, MAX_CONTENTS_A_KEY);
  }

  /** `spoiled`: all parts were here and the hash was another, so it begins anew. */
  add({ hash, totalBytes, offset, bytes }: ContentPart): PartOutcome {
    const id = hash.toString('latin1');
    if (this.whole.has(id) || totalBytes > MAX_CONTENT_BYTES) return 'ignored';
    const content = this.#contents.get(id) ?? { hash, totalBytes, chunks: [], bytes: 0 };
    const behind = content.bytes - offset;
    if (totalBytes !== content.totalBytes || behind < 0) return 'ignored';
    const fresh = bytes.subarray(behind, behind + totalBytes - content.bytes);
    if (fresh.length === 0 && totalBytes > 0) return 'ignored';
    const tooMuch = this.#bytes + fresh.length > 2 * KEY_BYTES || this.#contents.size >= MAX_CONTENTS_A_KEY;
    if (tooMuch) return 'ignored';
    this.#contents.set(id, content);
    content.chunks.push(fresh);
    content.bytes += fresh.length;
    this.#bytes += fresh.length;
    return content.bytes < totalBytes ? 'taken' : this.#finish(id, content);
  }

  #finish(id: string, { hash, chunks }: Partial): PartOutcome {
    this.#contents.delete(id);
    const content = Buffer.concat(chunks);
    if (!contentHash(content).equals(hash)) return 'spoiled';
    this.whole.set(id, content.length);
    this.onContent(content);
    return 'complete';
  }
}
