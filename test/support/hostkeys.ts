/**
 * Role: a pool of real RSA-4096 hostkeys for tests, in .cache/hostkeys, made on demand and shared.
 *
 * Invariants: a key takes seconds to make, so it is made once for all test runs; two processes that make the
 * same one at the same time end up with one file. Tests must not assume anything about a key's bytes.
 *
 * Not here: stand-ins for simulations.
 */

import { fileURLToPath } from 'node:url';
import { PeerError } from '../../src/errors.js';
import { generateHostkeyPem, type Hostkey, loadHostkey } from '../../src/identity/hostkey.js';
import { writePrivateFile } from '../../src/private-files.js';

const DIRECTORY = fileURLToPath(new URL('../../../.cache/hostkeys', import.meta.url));

/** Absolute path of the PEM of hostkey `index` (from 0); the file is there when this resolves. */
export async function testHostkeyPath(index: number): Promise<string> {
  const path = `${DIRECTORY}/${index}.pem`;
  try {
    await loadHostkey(path);
  } catch {
    try {
      await writePrivateFile(path, await generateHostkeyPem(), { exclusive: true });
    } catch (error) {
      if (!(error instanceof PeerError && error.code === 'exists')) throw error;
    }
  }
  return path;
}

/** Hostkey `index` (from 0) of the pool. */
export async function testHostkey(index: number): Promise<Hostkey> {
  return loadHostkey(await testHostkeyPath(index));
}
