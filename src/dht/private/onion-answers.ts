/**
 * What one exit has said of a key, and how two of them compare.
 *
 * Of two, the better one has the newer valid self-certifying value; without any, the one that has something at all.
 * Not here: who is asked (private-get.ts).
 */
import { decodeSignedValue } from '../../identity/signed-value.js';
import type { Contact } from '../contact.js';

export class ExitAnswer {
  #contents = 0;
  /** Highest sequence of a value that the key itself has signed. */
  #sequence: bigint | null = null;

  constructor(
    readonly exit: Contact,
    readonly key: Buffer,
  ) {}

  get signed(): boolean {
    return this.#sequence !== null;
  }

  add(content: Buffer, nowMs: number): void {
    this.#contents += 1;
    const sequence = decodeSignedValue(content, this.key, Math.floor(nowMs / 1000))?.sequence;
    if (sequence !== undefined && (this.#sequence === null || sequence > this.#sequence)) {
      this.#sequence = sequence;
    }
  }

  /** Whether `other` shows that this exit did not tell what there is. */
  isWorseThan(other: ExitAnswer): boolean {
    if (other.#sequence !== null) return this.#sequence === null || this.#sequence < other.#sequence;
    return this.#sequence === null && this.#contents === 0 && other.#contents > 0;
  }
}
