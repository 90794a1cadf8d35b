/**
 * The position proof in STATE_DIR/dht/position.json: loaded where it still holds, else searched for and kept.
 *
 * Invariants: the event loop goes on while we search, and a stop is heard within a slice; the file is replaced as a whole. A damaged file is replaced.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import { epochAt, type PositionProof, PUZZLE_BITS, puzzlePrefix, verifyPosition } from './position.js';

/** Some 100 ms of work. */
const ATTEMPTS_A_SLICE = 1 << 20;

/** Searches outside the event loop: see src/engine/puzzle.ts. */
export type PuzzleSearch = (
  prefix: Buffer,
  start: bigint,
  attempts: number,
  bits: number,
) => Promise<bigint | null>;

export interface Position {
  readonly proof: PositionProof;
  readonly position: Buffer;
}

/** The proof for the identity's epoch at `nowSeconds`. @param stopped ends the search early: resolves to null then */
export async function loadPosition(
  stateDir: string,
  identity: Buffer,
  nowSeconds: number,
  searchPuzzle: PuzzleSearch,
  stopped: () => boolean,
): Promise<Position | null> {
  const directory = join(stateDir, 'dht');
  const path = join(directory, 'position.json');
  const epoch = epochAt(identity, nowSeconds);
  const kept = await readProof(path);
  const known = kept?.epoch === epoch ? verifyPosition(identity, kept, nowSeconds) : null;
  if (kept && known) return { proof: kept, position: known };

  const prefix = puzzlePrefix(identity, epoch);
  let start = randomBytes(8).readBigUInt64BE();
  let found: bigint | null = null;
  while (found === null) {
    if (stopped()) return null;
    found = await searchPuzzle(prefix, start, ATTEMPTS_A_SLICE, PUZZLE_BITS);
    start = BigInt.asUintN(64, start + BigInt(ATTEMPTS_A_SLICE));
  }
  const nonce = Buffer.alloc(8);
  nonce.writeBigUInt64BE(found);
  const proof: PositionProof = { epoch, nonce };
  await ensurePrivateDirectory(directory);
  const text = JSON.stringify({ epoch: proof.epoch, nonce: proof.nonce.toString('hex') });
  await writePrivateFile(path, `${text}\n`);
  return { proof, position: verifyPosition(identity, proof, nowSeconds) as Buffer };
}

async function readProof(path: string): Promise<PositionProof | null> {
  try {
    const { epoch, nonce } = JSON.parse(await readFile(path, 'utf8')) as { epoch: unknown; nonce: unknown };
    if (typeof epoch !== 'number' || typeof nonce !== 'string' || !/^[0-9a-f]{16}$/.test(nonce)) return null;
    return { epoch, nonce: Buffer.from(nonce, 'hex') };
  } catch {
    return null;
  }
}
