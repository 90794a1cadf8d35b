/**
 * Role: the hostkeys of a trial's peers, drawn by its seed, so that a seed also says where in the DHT its peers are.
 *
 * Invariants: they share primes with those of other trials (hostkey-pool.ts): for measurements alone.
 *
 * Not here: the peers (trial.ts).
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { writePrivateFile } from '../../private-files.js';
import { REPOSITORY } from '../demo/lab.js';
import { pooledHostkeys } from '../hostkey-pool.js';

const PRIMES = join(REPOSITORY, '.cache/eval/primes.txt');
/** Keys to draw from for each that is wanted. */
const CHOICE = 3;

/** PEM files in `directory`, as many as are wanted. Making the pool takes a second of a core for each prime, once. */
export async function writeHostkeys(directory: string, count: number, seed: number): Promise<string[]> {
  const pool = await pooledHostkeys(PRIMES, CHOICE * count);
  const lot = (index: number) => createHash('sha256').update(`${seed} ${index}`).digest('hex');
  const drawn = pool
    .map(({ privateKey }, index) => ({ privateKey, lot: lot(index) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, count);
  return Promise.all(
    drawn.map(async ({ privateKey }, index) => {
      const file = join(directory, `hostkey-${index}.pem`);
      await writePrivateFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return file;
    }),
  );
}
