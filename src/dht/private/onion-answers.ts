/**
 * What one exit has said of a key, and how two of them compare.
 *
 * Of two, the better one has the newer valid self-certifying value; without any, the one that has something at all.
 * Not here: who is asked (private-get.ts).
 */
import { decodeSignedValue } from '../../identity/signed-value.js';
import type { Contact } from '../contact.js';
import { contentHash, MAX_CONTENTS_A_KEY } from '../store.js';

export class ExitAnswer {
  readonly #contents = new Set<string>();
  /** Highest sequence of a value that the key itself has signed. */
  #sequence: bigint | null = null;

  constructor(
    readonly exit: Contact,
    readonly key: Buffer,
  ) {}

  get signed(): boolean {
    return this.#sequence !== null;
  }

  /** False for what it has given before, and for more than one key can have. */
  add(content: Buffer, nowMs: number): boolean {
    const hash = contentHash(content).toString('latin1');
    if (this.#contents.has(hash) || this.#contents.size >= MAX_CONTENTS_A_KEY) return false;
    this.#contents.add(hash);
    const sequence = decodeSignedValue(content, this.key, Math.floor(nowMs / 1000))?.sequence;
    if (sequence !== undefined && (this.#sequence === null || sequence > this.#sequence)) {
      this.#sequence = sequence;
    }
    return true;
  }

  /** Whether `other` shows that this exit did not tell what there is. */
  isWorseThan(other: ExitAnswer): boolean {
    if (other.#sequence !== null) return this.#sequence === null || this.#sequence < other.#sequence;
    return this.#sequence === null && this.#contents.size === 0 && other.#contents.size > 0;
  }
}
