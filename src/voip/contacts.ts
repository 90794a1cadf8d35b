/**
 * Role: names for other people's pseudo-identities, in STATE_DIR/contacts.json.
 *
 * Invariants: the file has mode 0600 and is replaced whole; a name stands for one identity.
 *
 * Not here: our own pseudo-identities (identity/pseudo-identity-store.ts).
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { formatPseudoIdentity, parsePseudoIdentity } from '../identity/pseudo-identity.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';

const Verdict = v.picklist(['same', 'different']);
const Entry = v.object({ id: v.string(), words: v.optional(Verdict) });
const FileSchema = v.object({ version: v.literal(1), contacts: v.record(v.string(), Entry) });
const NAME = /^\p{L}[\p{L}\p{N} ._-]{0,63}$/u;

export interface Contact {
  readonly name: string;
  /** Text form of the pseudo-identity. */
  readonly id: string;
  /** What a person said who compared the words of a call: were they the same on both sides? */
  readonly words?: WordsVerdict;
}

export type WordsVerdict = v.InferOutput<typeof Verdict>;

type Entries = Record<string, v.InferOutput<typeof Entry>>;

export class Contacts {
  readonly #directory: string;
  readonly #path: string;

  constructor(stateDir: string) {
    this.#directory = stateDir;
    this.#path = join(stateDir, 'contacts.json');
  }

  /** In order of their names. Errors: 'contacts-file'. */
  async list(): Promise<Contact[]> {
    const contacts = await this.#read();
    return Object.entries(contacts)
      .map(([name, { id, words }]) => ({ name, id, ...(words === undefined ? {} : { words }) }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Adds or replaces; what was said about the words of the same identity stays. Errors: 'contact-name', those of parsePseudoIdentity, 'contacts-file'. */
  async add(name: string, id: string): Promise<Contact> {
    if (!NAME.test(name)) {
      throw new PeerError('contact-name', `${JSON.stringify(name)} cannot be the name of a contact`, {
        remedy: 'use 1 to 64 letters, digits, spaces, dots, hyphens, starting with a letter',
      });
    }
    const contacts = await this.#read();
    const text = formatPseudoIdentity(parsePseudoIdentity(id));
    const known = Object.values(contacts).find((entry) => entry.id === text);
    const entry = { id: text, ...(known?.words === undefined ? {} : { words: known.words }) };
    await this.#write({ ...contacts, [name]: entry });
    return { name, ...entry };
  }

  /** Errors: 'contact-unknown', 'contacts-file'. */
  async remove(name: string): Promise<void> {
    const contacts = await this.#read();
    if (!Object.hasOwn(contacts, name)) throw unknown(name);
    const { [name]: _, ...rest } = contacts;
    await this.#write(rest);
  }

  /** Keeps what a person said about the words of a call with this identity. Errors: 'contact-unknown', 'contacts-file'. */
  async setWords(id: string, words: WordsVerdict): Promise<Contact> {
    const contacts = await this.#read();
    const [name] = Object.entries(contacts).find(([, entry]) => entry.id === id) ?? [];
    if (name === undefined) {
      throw new PeerError('contact-unknown', 'the other party of this call is no contact', {
        remedy: `give it a name first: peer contact add NAME ${id}`,
      });
    }
    await this.#write({ ...contacts, [name]: { id, words } });
    return { name, id, words };
  }

  /** The pseudo-identity that `who`, a name or the text of an identity, stands for. */
  async resolve(who: string): Promise<Buffer> {
    const contacts = await this.#read();
    const entry = Object.hasOwn(contacts, who) ? contacts[who] : undefined;
    if (entry !== undefined) return parsePseudoIdentity(entry.id);
    try {
      return parsePseudoIdentity(who);
    } catch (cause) {
      const why = (cause as Error).message;
      throw new PeerError(
        'contact-unknown',
        `there is no contact named ${who}, and as a pseudo-identity: ${why}`,
        {
          cause,
          remedy: 'peer contact list shows the contacts; peer contact add NAME ID adds one',
        },
      );
    }
  }

  /** The contact whose identity this is. */
  async of(publicKey: Buffer): Promise<Contact | undefined> {
    const id = formatPseudoIdentity(publicKey);
    return (await this.list()).find((contact) => contact.id === id);
  }

  async #read(): Promise<Entries> {
    try {
      return v.parse(FileSchema, JSON.parse(await readFile(this.#path, 'utf8'))).contacts;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw new PeerError('contacts-file', `${this.#path} cannot be read or is damaged`, {
        cause,
        remedy: 'restore the file from a backup, or delete it to begin without contacts',
      });
    }
  }

  async #write(contacts: Entries): Promise<void> {
    await ensurePrivateDirectory(this.#directory);
    await writePrivateFile(this.#path, `${JSON.stringify({ version: 1, contacts }, null, 2)}\n`);
  }
}

function unknown(name: string): PeerError {
  return new PeerError('contact-unknown', `there is no contact named ${name}`, {
    remedy: 'peer contact list shows those there are',
  });
}
