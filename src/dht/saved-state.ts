/**
 * What a DHT node keeps on disk over a restart: the contacts of its table and the contents of its store, in
 * STATE_DIR/dht/contacts.bin and contents.bin.
 *
 * Contacts: "PDT1" · (contact)…   Contents: "PDC1" · (key 32 · expiry u64 Unix ms · replication u8 · sender 32 ·
 * length u32 · content)… · SHA-256 of all before.
 * Invariants: the files are replaced as a whole, mode 0600; a damaged or foreign file counts as none; what is read is
 * checked again like what comes from the network (contacts are asked first, contents pass the store's rules), so nothing
 * outlives its expiry. Saved at SAVE_MS, where something has changed, and when the node closes: a crash loses that much at
 * most, and the other replicas bring it back. Not here: when (daemon.ts).
 */
import { createHash, webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import { type ByteReader, ByteWriter, decodeOrNull } from './bytes.js';
import { type Contact, readContact, type UnverifiedContact, writeContact } from './contact.js';
import { type ContentStore, MAX_CONTENT_BYTES } from './store.js';
import type { StoredContent } from './stored-content.js';

export const SAVE_MS = 300_000;
const CONTACTS_MAGIC = Buffer.from('PDT1', 'ascii');
const CONTENTS_MAGIC = Buffer.from('PDC1', 'ascii');
/** The contacts that a restart needs are the closest and some of each distance; tables are hardly ever larger. */
const MAX_CONTACTS = 1_000;
/** Contents that are checked in one turn of the event loop: each may take a signature. */
const SLICE = 32;

const contactsPath = (stateDir: string) => join(stateDir, 'dht', 'contacts.bin');
const contentsPath = (stateDir: string) => join(stateDir, 'dht', 'contents.bin');

export async function saveContacts(stateDir: string, contacts: readonly Contact[]): Promise<void> {
  const writer = new ByteWriter().raw(CONTACTS_MAGIC);
  for (const contact of contacts.slice(0, MAX_CONTACTS)) writeContact(writer, contact);
  await save(contactsPath(stateDir), writer.done());
}

/** The contacts of last time, to be asked before they count; none where there is no good file. */
export async function loadContacts(stateDir: string): Promise<UnverifiedContact[]> {
  const bytes = await read(contactsPath(stateDir));
  return bytes === null ? [] : (decodeOrNull(bytes, readContacts) ?? []);
}

function readContacts(reader: ByteReader): UnverifiedContact[] {
  if (!reader.take(4).equals(CONTACTS_MAGIC)) reader.fail();
  const contacts: UnverifiedContact[] = [];
  while (reader.left > 0 && contacts.length < MAX_CONTACTS) contacts.push(readContact(reader));
  return contacts;
}

export async function saveContents(stateDir: string, contents: readonly StoredContent[]): Promise<void> {
  const writer = new ByteWriter().raw(CONTENTS_MAGIC);
  for (const { key, expiresAtMs, replication, sender, content } of contents) {
    const expiry = Buffer.alloc(8);
    expiry.writeBigUInt64BE(BigInt(Math.floor(expiresAtMs)));
    writer.raw(key).raw(expiry).u8(replication).raw(Buffer.from(sender, 'hex'));
    writer.u32(content.length).raw(content);
  }
  const bytes = writer.done();
  await save(contentsPath(stateDir), Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]));
}

/** Puts the contents of last time that have not expired into the store; resolves with their number. */
export async function loadContents(stateDir: string, store: ContentStore, nowMs: number): Promise<number> {
  const bytes = await read(contentsPath(stateDir));
  if (bytes === null || bytes.length < 32) return 0;
  const body = bytes.subarray(0, -32);
  if (!Buffer.from(await webcrypto.subtle.digest('SHA-256', body)).equals(bytes.subarray(-32))) return 0;
  if (!body.subarray(0, 4).equals(CONTENTS_MAGIC)) return 0;
  let kept = 0;
  for (let rest = body.subarray(4); rest.length > 0; ) {
    const slice = decodeOrNull(rest, (reader) => readSlice(reader, store, nowMs));
    if (slice === null) break;
    kept += slice.kept;
    rest = rest.subarray(rest.length - slice.left);
    await nextTurn();
  }
  return kept;
}

function readSlice(reader: ByteReader, store: ContentStore, nowMs: number): { kept: number; left: number } {
  let kept = 0;
  for (let count = 0; count < SLICE && reader.left > 0; count++) {
    const key = Buffer.from(reader.take(32));
    const ttlMs = Number(reader.take(8).readBigUInt64BE()) - nowMs;
    const replication = reader.u8();
    const sender = reader.take(32).toString('hex');
    const length = reader.u32();
    if (length > MAX_CONTENT_BYTES) reader.fail();
    const content = Buffer.from(reader.take(length));
    if (ttlMs > 0 && store.put({ key, ttlMs, replication, content }, sender, nowMs) === 'stored') kept += 1;
  }
  return { kept, left: reader.left };
}

async function save(path: string, bytes: Buffer): Promise<void> {
  await ensurePrivateDirectory(join(path, '..'));
  await writePrivateFile(path, bytes);
}

async function read(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch {
    return null;
  }
}
