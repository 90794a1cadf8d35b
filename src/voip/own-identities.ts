/**
 * Role: the pseudo-identities that this module can use: those kept open, and those that a person has unlocked since it started.
 *
 * Invariants: what is unlocked is in memory alone, and is gone with its file; a key that is not that of the file is refused.
 *
 * Not here: how they are kept (identity/pseudo-identity-store.ts), passphrases (`peer id unlock`).
 */

import { PeerError } from '../errors.js';
import { pseudoIdentityFromSeed } from '../identity/pseudo-identity.js';
import {
  type IdentityView,
  type NamedPseudoIdentity,
  type PseudoIdentityStore,
  publicView,
} from '../identity/pseudo-identity-store.js';

export class OwnIdentities {
  readonly #store: PseudoIdentityStore;
  /** By their text form. */
  readonly #unlocked = new Map<string, NamedPseudoIdentity>();
  #locked: readonly IdentityView[] = [];

  constructor(store: PseudoIdentityStore) {
    this.#store = store;
  }

  /** Those of the last `list` that nobody has unlocked. */
  get locked(): readonly IdentityView[] {
    return this.#locked.filter(({ id }) => !this.#unlocked.has(id));
  }

  /** Those that can be used, in order of their names. Errors: 'identity-file'. */
  async list(): Promise<NamedPseudoIdentity[]> {
    const kept = await this.#store.kept();
    const sealed = kept.filter(({ identity }) => identity === null);
    this.#locked = sealed.map(({ name, id, createdSeconds }) => ({ name, id, createdSeconds }));
    // Without a passphrase again, or removed: nobody has to unlock it, or can use it.
    for (const id of this.#unlocked.keys()) {
      if (!sealed.some((one) => one.id === id)) this.#unlocked.delete(id);
    }
    return kept.flatMap(({ id, identity }) => identity ?? this.#unlocked.get(id) ?? []);
  }

  /** `seed`: what the passphrase protects, 32 bytes; wiped. Errors: 'identity-file', 'identity-unknown', 'identity-key'. */
  async unlock(name: string, seed: Buffer): Promise<IdentityView> {
    const identity = pseudoIdentityFromSeed(seed);
    seed.fill(0);
    const { id, createdSeconds } = await this.#store.read(name);
    const named = { ...identity, name, createdSeconds };
    if (publicView(named).id !== id) throw new PeerError('identity-key', `this is not the key of ${name}`);
    this.#unlocked.set(id, named);
    return publicView(named);
  }
}
