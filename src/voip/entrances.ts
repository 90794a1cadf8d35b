/**
 * Role: which ports callers come in by: one for each pseudo-identity where the KX can keep them apart, else one for all.
 *
 * Invariants: with ports of their own, no pseudo-identity answers at the port of another, so that a caller cannot find out
 * by trying that two of them live together.
 *
 * Not here: one port (entrance.ts).
 */

import type { PseudoIdentity } from '../identity/pseudo-identity.js';
import { Entrance, type EntranceOptions } from './entrance.js';

export interface EntrancesOptions
  extends Pick<EntranceOptions, 'address' | 'onCaller' | 'onRefused' | 'log'> {
  /** Whether the KX delivers for each pseudo-identity to a port of its own (BUILD extension). */
  readonly apart: boolean;
  /** The one port of all, where they are not apart. */
  readonly port: number;
  /** A pseudo-identity has another port from now on. */
  readonly onMoved: (publicKey: Buffer) => void;
}

export class Entrances {
  readonly #options: EntrancesOptions;
  /** By public key in hex; under the empty key the one of all. */
  readonly #entrances = new Map<string, Entrance>();
  #identities: readonly PseudoIdentity[] = [];

  constructor(options: EntrancesOptions) {
    this.#options = options;
    if (!options.apart) this.#open('', options.port, () => this.#identities);
  }

  /** All of them, and there is one. */
  get listening(): boolean {
    const all = [...this.#entrances.values()];
    return all.length > 0 && all.every(({ listening }) => listening);
  }

  /** Opens and closes what these pseudo-identities need. */
  serve(identities: readonly PseudoIdentity[]): void {
    this.#identities = identities;
    if (!this.#options.apart) return;
    const wanted = new Map(identities.map((identity) => [identity.publicKey.toString('hex'), identity]));
    for (const [key, entrance] of this.#entrances) {
      if (wanted.has(key)) continue;
      this.#entrances.delete(key);
      void entrance.close();
    }
    for (const [key, identity] of wanted) {
      if (!this.#entrances.has(key)) this.#open(key, null, () => [identity]);
    }
  }

  /** Where callers of this pseudo-identity come in; `null` where it is none of those that are served. */
  portOf(publicKey: Buffer): number | null {
    const key = this.#options.apart ? publicKey.toString('hex') : '';
    return this.#entrances.get(key)?.port ?? null;
  }

  /** Resolves when all connections are gone. */
  async close(): Promise<void> {
    await Promise.all([...this.#entrances.values()].map((entrance) => entrance.close()));
  }

  #open(key: string, port: number | null, identities: () => readonly PseudoIdentity[]): void {
    const { address, onCaller, onRefused, onMoved, log } = this.#options;
    const moved = () => onMoved(Buffer.from(key, 'hex'));
    const entrance = new Entrance({ address, port, identities, onCaller, onRefused, onMoved: moved, log });
    this.#entrances.set(key, entrance);
  }
}
