/**
 * Role: fast randomness that is the same for the same seed: the generator sfc32, begun from the seed's SHA-256.
 *
 * Not here: anything that may protect a secret.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../dht/environment.js';

const WARM_UP = 12;

export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(readonly seed: string) {
    const start = createHash('sha256').update(seed).digest();
    this.#a = start.readInt32LE(0);
    this.#b = start.readInt32LE(4);
    this.#c = start.readInt32LE(8);
    for (let i = 0; i < WARM_UP; i++) this.#next();
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    for (; at + 4 <= length; at += 4) bytes.writeInt32LE(this.#next(), at);
    for (let rest = at < length ? this.#next() : 0; at < length; at++, rest >>>= 8) bytes[at] = rest & 0xff;
    return bytes;
  }

  fraction(): number {
    return (this.#next() >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, below). */
  integer(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)] as T;
  }

  /** The list in any order. */
  shuffled<T>(list: readonly T[]): T[] {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  /** Exponentially distributed. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }
}
