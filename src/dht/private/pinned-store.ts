/**
 * The pinned first hops in STATE_DIR/dht/pinned.json, mode 0600.
 *
 * Invariants: they survive a restart; the file is replaced as a whole, one state after the other; a damaged file is an
 * error that names it, never a silent new choice, since losing the pins is what an attacker would want.
 * Not here: how a set behaves (pinned-hops.ts).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../../errors.js';
import { ensurePrivateDirectory, writePrivateFile } from '../../private-files.js';
import { ByteWriter, decodeOrNull } from '../bytes.js';
import { readContact, writeContact } from '../contact.js';
import { type PinnedHop, PinnedHops } from './pinned-hops.js';

const Hop = v.object({
  /** As in messages (contact.ts), in hex. */
  contact: v.pipe(v.string(), v.regex(/^([0-9a-f]{2}){77,97}$/)),
  expiresAtMs: v.number(),
  downUntilMs: v.number(),
  distrustedUntilMs: v.number(),
  failingSinceMs: v.number(),
  failures: v.number(),
});
const FileSchema = v.object({ version: v.literal(1), first: v.array(Hop) });

/**
 * @param onError hears of a file that could not be written
 * @throws PeerError `pinned-file` (damaged or unreadable), `state-dir`
 */
export async function loadPinnedHops(
  stateDir: string,
  onError: (error: unknown) => void,
): Promise<PinnedHops> {
  const directory = join(stateDir, 'dht');
  const path = join(directory, 'pinned.json');
  await ensurePrivateDirectory(directory);
  let writing: Promise<void> = Promise.resolve();
  return new PinnedHops(await readHops(path), (members) => {
    const text = `${JSON.stringify({ version: 1, first: members.map(flatten) })}\n`;
    writing = writing.then(() => writePrivateFile(path, text)).catch(onError);
  });
}

async function readHops(path: string): Promise<PinnedHop[]> {
  try {
    return v.parse(FileSchema, JSON.parse(await readFile(path, 'utf8'))).first.map(revive);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new PeerError('pinned-file', `${path} cannot be read or is damaged`, {
      cause,
      remedy:
        'restore it from a backup; deleting it makes this peer choose new first hops, which costs anonymity',
    });
  }
}

function revive({ contact: hex, ...rest }: v.InferOutput<typeof Hop>): PinnedHop {
  const contact = decodeOrNull(Buffer.from(hex, 'hex'), (reader) => {
    const read = readContact(reader);
    reader.end();
    return read;
  });
  if (!contact) throw new PeerError('pinned-file', 'a contact is damaged');
  return { contact, ...rest };
}

function flatten({ contact, ...rest }: PinnedHop): v.InferOutput<typeof Hop> {
  const writer = new ByteWriter();
  writeContact(writer, contact);
  return { contact: writer.done().toString('hex'), ...rest };
}
