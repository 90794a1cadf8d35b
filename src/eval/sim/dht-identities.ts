/**
 * Role: what many DHT nodes are made of: for each an identity with hostkey, certified key and position, in one file.
 *
 * Invariants: certificates and positions are valid for at least a day, the positions by an easier puzzle than the network's; the file is made anew where they are not. The
 * hostkeys share primes (hostkey-pool.ts), so nothing here is secret.
 *
 * Not here: the nodes (dht-host.ts).
 */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { epochAt, puzzlePrefix, verifyPosition } from '../../dht/position.js';
import { searchPuzzle } from '../../engine/puzzle.js';
import { issueCertificate, verifyCertificate } from '../../identity/certificate.js';
import { createNoiseKeyPair, type NoiseKeyPair, noiseKeyPairOf } from '../../identity/noise.js';
import { writePrivateFile } from '../../private-files.js';
import { pooledHostkeys } from '../hostkey-pool.js';

const DAY_SECONDS = 86_400;
const LIFETIME_SECONDS = 30 * DAY_SECONDS;
const ATTEMPTS = 2 ** 32 - 1;
/** Checking costs the same whatever the puzzle; five hundred real ones would take ten minutes. */
export const BENCH_PUZZLE_BITS = 12;

export interface DhtIdentity {
  readonly identity: Buffer;
  readonly keyPair: NoiseKeyPair;
  readonly certificate: Buffer;
  readonly proof: { readonly epoch: number; readonly nonce: Buffer };
  readonly position: Buffer;
}

/** As it stands in the file: bytes in base64. */
interface Kept {
  readonly identity: string;
  readonly secretKey: string;
  readonly certificate: string;
  readonly epoch: number;
  readonly nonce: string;
}

/** `count` identities, made (half a second of a core each) where the directory has not so many that are valid. */
export async function loadDhtIdentities(directory: string, count: number): Promise<DhtIdentity[]> {
  const path = join(directory, 'dht-identities.json');
  const nowSeconds = Math.floor(Date.now() / 1000);
  const kept = await readKept(path);
  const valid = kept.flatMap((one) => identityOf(one, nowSeconds));
  if (valid.length >= count) return valid.slice(0, count);
  const hostkeys = await pooledHostkeys(join(directory, 'primes.txt'), count);
  const made: Kept[] = [];
  for (const hostkey of hostkeys) {
    const { publicKey, secretKey } = createNoiseKeyPair();
    const expiry = nowSeconds + LIFETIME_SECONDS;
    const certificate = await issueCertificate(hostkey, 'dht', publicKey, expiry);
    const epoch = epochAt(hostkey.identity, nowSeconds);
    const nonce = await solve(hostkey.identity, epoch);
    made.push({
      identity: hostkey.identity.toString('base64'),
      secretKey: secretKey.toString('base64'),
      certificate: certificate.toString('base64'),
      epoch,
      nonce: nonce.toString('base64'),
    });
  }
  await writePrivateFile(path, JSON.stringify(made));
  return made.flatMap((one) => identityOf(one, nowSeconds));
}

async function readKept(path: string): Promise<Kept[]> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Kept[];
  } catch {
    return [];
  }
}

/** None where it holds for less than a day longer. */
function identityOf(kept: Kept, nowSeconds: number): DhtIdentity[] {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  const identity = bytes(kept.identity);
  const proof = { epoch: kept.epoch, nonce: bytes(kept.nonce) };
  const certificate = bytes(kept.certificate);
  const position = verifyPosition(identity, proof, nowSeconds + DAY_SECONDS, BENCH_PUZZLE_BITS);
  if (position === null || verifyPosition(identity, proof, nowSeconds, BENCH_PUZZLE_BITS) === null) return [];
  try {
    verifyCertificate(certificate, 'dht', nowSeconds + DAY_SECONDS);
  } catch {
    return [];
  }
  return [{ identity, keyPair: noiseKeyPairOf(bytes(kept.secretKey)), certificate, proof, position }];
}

async function solve(identity: Buffer, epoch: number): Promise<Buffer> {
  const start = randomBytes(8).readBigUInt64BE();
  const found = await searchPuzzle(puzzlePrefix(identity, epoch), start, ATTEMPTS, BENCH_PUZZLE_BITS);
  const nonce = Buffer.alloc(8);
  nonce.writeBigUInt64BE(found as bigint);
  return nonce;
}
