/**
 * Role: files that hold secrets: made with mode 0600 in directories of mode 0700, replaced as a whole.
 *
 * Invariants: a reader sees the old file or the new one, never half of one, also after a crash; a file
 * never exists with a wider mode, not even for a moment.
 *
 * Not here: what stands in the files.
 */

import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PeerError } from './errors.js';

/** Makes the directory and its parents, mode 0700; tightens it where it was there with a wider mode. */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) await chmod(path, 0o700);
  } catch (error) {
    throw new PeerError('state-dir', `cannot make the directory ${path}: ${(error as Error).message}`, {
      cause: error,
      remedy: 'give a directory that you may write to, as STATE_DIR in the config file',
    });
  }
}

/**
 * Writes a file of mode 0600 at once. With `exclusive` it refuses to replace one: error 'exists'.
 *
 * Other errors: 'state-dir'.
 */
export async function writePrivateFile(
  path: string,
  content: string | Buffer,
  options: { readonly exclusive?: boolean } = {},
): Promise<void> {
  await ensureParent(path);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (options.exclusive === true) await link(temporary, path);
    else await rename(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new PeerError('exists', `${path} exists already`, { cause: error });
    }
    throw new PeerError('state-dir', `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Whether others than the owner may read the file. */
export function isWidelyReadable(mode: number): boolean {
  return (mode & 0o077) !== 0;
}

async function ensureParent(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
}
