/**
 * Role: the pseudo-identities of this peer, one file of mode 0600 each in STATE_DIR/identities.
 *
 * Invariants: a name is a short word that is safe as a file name; a file that cannot be read is an error that
 * names it, never a silently missing identity; one that is protected is the same file as an exported one, and its secret is
 * nowhere else.
 *
 * Not here: their text form and keys (pseudo-identity.ts), the sealed form (sealed-identity.ts).
 */

import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import {
  formatPseudoIdentity,
  generatePseudoIdentity,
  IDENTITY_NAME,
  type PseudoIdentity,
  pseudoIdentityFromSeed,
} from './pseudo-identity.js';
import { readSealedIdentity } from './sealed-identity.js';

export interface NamedPseudoIdentity extends PseudoIdentity {
  readonly name: string;
  /** Unix seconds. */
  readonly createdSeconds: number;
}

/** What may be shown of a pseudo-identity: everything but its secret. */
export interface IdentityView {
  readonly name: string;
  readonly id: string;
  readonly createdSeconds: number;
}

/** One as it is kept: `identity` is null where a passphrase protects it; then `sealed` is the file. */
export type KeptIdentity = IdentityView &
  (
    | { readonly identity: NamedPseudoIdentity; readonly sealed: null }
    | { readonly identity: null; readonly sealed: string }
  );

const SUFFIX = '.json';
const FileSchema = v.object({
  version: v.literal(1),
  name: v.pipe(v.string(), v.regex(IDENTITY_NAME)),
  createdSeconds: v.pipe(v.number(), v.integer()),
  publicKey: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  seed: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

export class PseudoIdentityStore {
  readonly #directory: string;

  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'identities');
  }

  /** Errors: 'identity-name', 'identity-exists', 'state-dir'. */
  async new(name: string): Promise<NamedPseudoIdentity> {
    const made = { ...generatePseudoIdentity(), name, createdSeconds: Math.floor(Date.now() / 1_000) };
    await this.add(made);
    return made;
  }

  /** Keeps one that was made elsewhere. Errors: 'identity-name', 'identity-exists', 'state-dir'. */
  async add(identity: NamedPseudoIdentity): Promise<void> {
    const { name } = identity;
    const path = this.#path(name);
    await ensurePrivateDirectory(this.#directory);
    try {
      await writePrivateFile(path, plainText(identity), { exclusive: true });
    } catch (error) {
      if (!(error instanceof PeerError) || error.code !== 'exists') throw error;
      throw new PeerError('identity-exists', `there is a pseudo-identity named ${name} already`, {
        cause: error,
        remedy: 'choose another name; peer id list shows those there are',
      });
    }
  }

  /** Those that can be used without a passphrase, in order of their names. Errors: 'identity-file'. */
  async list(): Promise<NamedPseudoIdentity[]> {
    return (await this.kept()).flatMap(({ identity }) => (identity === null ? [] : [identity]));
  }

  /** All, in order of their names. Errors: 'identity-file'. */
  async kept(): Promise<KeptIdentity[]> {
    let files: string[];
    try {
      files = await readdir(this.#directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new PeerError('identity-file', `cannot read ${this.#directory}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    const names = files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
    return Promise.all(names.sort().map((name) => this.read(name)));
  }

  /** Keeps one under a passphrase, or without, in the place of what is kept by this name. Errors: 'identity-name'. */
  async replace(identity: NamedPseudoIdentity, sealed: string | null): Promise<void> {
    await writePrivateFile(this.#path(identity.name), sealed ?? plainText(identity));
  }

  /** Errors: as `read`, and 'identity-locked' where a passphrase protects it. */
  async load(name: string): Promise<NamedPseudoIdentity> {
    const { identity } = await this.read(name);
    if (identity !== null) return identity;
    throw new PeerError('identity-locked', `${name} is protected by a passphrase`, {
      remedy: 'take it off first: peer id passphrase NAME --remove -c FILE',
    });
  }

  /** Errors: 'identity-name', 'identity-unknown', 'identity-file' (damaged or unreadable). */
  async read(name: string): Promise<KeptIdentity> {
    const path = this.#path(name);
    let source: string;
    try {
      source = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw unknown(name, error);
      throw new PeerError('identity-file', `cannot read ${path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    try {
      const json: unknown = JSON.parse(source);
      if (typeof json === 'object' && json !== null && 'sealed' in json)
        return { ...readSealedIdentity(source), name, identity: null, sealed: source };
      const file = v.parse(FileSchema, json);
      const identity = pseudoIdentityFromSeed(Buffer.from(file.seed, 'hex'));
      if (identity.publicKey.toString('hex') !== file.publicKey)
        throw new Error('the keys do not belong together');
      const named = { ...identity, name, createdSeconds: file.createdSeconds };
      return { ...publicView(named), identity: named, sealed: null };
    } catch (cause) {
      if (cause instanceof PeerError)
        throw new PeerError('identity-file', `${path} was made by an earlier version of this program`, {
          cause,
          remedy: 'delete this file, and make a new pseudo-identity: peer id new',
        });
      throw new PeerError('identity-file', `${path} is damaged`, {
        cause,
        remedy: 'restore this file from a backup, or delete it if the pseudo-identity is not needed any more',
      });
    }
  }

  /** Errors: 'identity-name', 'identity-unknown'. */
  async remove(name: string): Promise<void> {
    try {
      await rm(this.#path(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw unknown(name, error);
      throw new PeerError('identity-file', `cannot remove ${name}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #path(name: string): string {
    if (!IDENTITY_NAME.test(name)) {
      throw new PeerError(
        'identity-name',
        `${JSON.stringify(name)} cannot be the name of a pseudo-identity`,
        {
          remedy: 'use 1 to 32 letters, digits, hyphens and underscores, starting with a letter or digit',
        },
      );
    }
    return join(this.#directory, name + SUFFIX);
  }
}

function plainText({ name, createdSeconds, publicKey, secretKey }: NamedPseudoIdentity): string {
  const file = {
    version: 1,
    name,
    createdSeconds,
    publicKey: publicKey.toString('hex'),
    seed: secretKey.subarray(0, 32).toString('hex'),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

export function publicView(identity: NamedPseudoIdentity): IdentityView {
  const { name, publicKey, createdSeconds } = identity;
  return { name, id: formatPseudoIdentity(publicKey), createdSeconds };
}

function unknown(name: string, cause: unknown): PeerError {
  return new PeerError('identity-unknown', `there is no pseudo-identity named ${name}`, {
    cause,
    remedy: 'peer id list shows those there are; peer id new NAME makes one',
  });
}
