/**
 * Role: what many DHT nodes are made of: for each an identity with hostkey, certified key and position, in one file.
 *
 * Invariants: certificates and positions are valid for at least HORIZON_SECONDS, the positions by an easier puzzle than the
 * network's; those that are not are made anew. The hostkeys share primes (hostkey-pool.ts), so nothing here is secret.
 *
 * Not here: the nodes (dht-host.ts).
 */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { epochAt, puzzlePrefix, verifyPosition } from '../../dht/position.js';
import { searchPuzzle } from '../../engine/puzzle.js';
import { issueCertificate, verifyCertificate } from '../../identity/certificate.js';
import type { Hostkey } from '../../identity/hostkey.js';
import { createNoiseKeyPair, type NoiseKeyPair, noiseKeyPairOf } from '../../identity/noise-keys.js';
import { writePrivateFile } from '../../private-files.js';
import { pooledHostkeys } from '../hostkey-pool.js';

const LIFETIME_SECONDS = 30 * 86_400;
/** No longer than a position is good beyond its epoch, so that a new one always is. */
const HORIZON_SECONDS = 3_000;
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

/** `count` identities; those that the directory has not, or that do not hold any more, are made first. */
export async function loadDhtIdentities(directory: string, count: number): Promise<DhtIdentity[]> {
  const path = join(directory, 'dht-identities.json');
  const nowSeconds = Math.floor(Date.now() / 1000);
  const kept = await readKept(path);
  const isValid = (one: Kept | undefined) => one !== undefined && identityOf(one, nowSeconds).length > 0;
  if (kept.length < count || !kept.slice(0, count).every(isValid)) {
    const hostkeys = await pooledHostkeys(join(directory, 'primes.txt'), count);
    for (const [index, hostkey] of hostkeys.entries()) {
      if (!isValid(kept[index])) kept[index] = await make(hostkey, nowSeconds);
    }
    await writePrivateFile(path, JSON.stringify(kept));
  }
  return kept.slice(0, count).flatMap((one) => identityOf(one, nowSeconds));
}

async function make(hostkey: Hostkey, nowSeconds: number): Promise<Kept> {
  const { publicKey, secretKey } = createNoiseKeyPair();
  const certificate = await issueCertificate(hostkey, 'dht', publicKey, nowSeconds + LIFETIME_SECONDS);
  const epoch = epochAt(hostkey.identity, nowSeconds);
  const nonce = await solve(hostkey.identity, epoch);
  return {
    identity: hostkey.identity.toString('base64'),
    secretKey: secretKey.toString('base64'),
    certificate: certificate.toString('base64'),
    epoch,
    nonce: nonce.toString('base64'),
  };
}

async function readKept(path: string): Promise<Kept[]> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Kept[];
  } catch {
    return [];
  }
}

/** None where it does not hold for as long as a measurement takes. */
function identityOf(kept: Kept, nowSeconds: number): DhtIdentity[] {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  const identity = bytes(kept.identity);
  const proof = { epoch: kept.epoch, nonce: bytes(kept.nonce) };
  const certificate = bytes(kept.certificate);
  const position = verifyPosition(identity, proof, nowSeconds + HORIZON_SECONDS, BENCH_PUZZLE_BITS);
  if (position === null || verifyPosition(identity, proof, nowSeconds, BENCH_PUZZLE_BITS) === null) return [];
  try {
    verifyCertificate(certificate, 'dht', nowSeconds + HORIZON_SECONDS);
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
