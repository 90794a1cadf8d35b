/**
 * Positions in the id space and the puzzle that makes each one cost work (design 2).
 *
 * position = SHA-256("position" ‖ identity ‖ epoch u16 ‖ nonce u64), valid only if
 * SHA-256("puzzle" ‖ identity ‖ epoch ‖ nonce) begins with PUZZLE_BITS zero bits. So every candidate position costs the
 * whole puzzle (docs/decisions/0072). An epoch lasts 30 days and begins at a time that depends on the identity.
 * Not here: where the proof is kept (position-store.ts).
 */
import { createHash } from 'node:crypto';
import { lasting } from './bytes.js';

/** Leading zero bits: 2^PUZZLE_BITS hashes on average, 1.1 s of a core with SHA instructions. A constant of the network. */
export const PUZZLE_BITS = 24;
export const EPOCH_SECONDS = 30 * 86_400;
/** A proof is still (or already) good this long beyond its epoch, because clocks differ. */
export const EPOCH_GRACE_SECONDS = 3_600;

export interface PositionProof {
  /** 0 to 65 535: 30-day periods since 1970, staggered by identity. */
  readonly epoch: number;
  /** 8 bytes. */
  readonly nonce: Buffer;
}

const POSITION_LABEL = Buffer.from('position', 'ascii');
/** With it, what is hashed fits one block. */
const PUZZLE_LABEL = Buffer.from('puzzle', 'ascii');

function fields(label: Buffer, identity: Buffer, epoch: number): Buffer {
  return Buffer.concat([label, identity, Buffer.of(epoch >> 8, epoch & 0xff)]);
}

function digest(label: Buffer, identity: Buffer, epoch: number, nonce: Buffer): Buffer {
  return createHash('sha256')
    .update(fields(label, identity, epoch))
    .update(nonce)
    .digest();
}

/** What stands before the nonce in the puzzle's hash. */
export function puzzlePrefix(identity: Buffer, epoch: number): Buffer {
  return fields(PUZZLE_LABEL, identity, epoch);
}

function leadingZeroBits(hash: Buffer): number {
  const first = hash.readUInt32BE(0);
  return first === 0 ? 32 + Math.clz32(hash.readUInt32BE(4)) : Math.clz32(first);
}

/** The epoch of an identity at a time. */
export function epochAt(identity: Buffer, nowSeconds: number): number {
  const stagger = identity.readUInt32BE(0) % EPOCH_SECONDS;
  return Math.floor((nowSeconds + stagger) / EPOCH_SECONDS) & 0xffff;
}

/** Unix seconds at which the identity's current epoch ends. */
export function epochEndSeconds(identity: Buffer, nowSeconds: number): number {
  const stagger = identity.readUInt32BE(0) % EPOCH_SECONDS;
  return (Math.floor((nowSeconds + stagger) / EPOCH_SECONDS) + 1) * EPOCH_SECONDS - stagger;
}

/** The 32-byte position, or null where the proof does not hold now. */
export function verifyPosition(
  identity: Buffer,
  proof: PositionProof,
  nowSeconds: number,
  puzzleBits = PUZZLE_BITS,
): Buffer | null {
  const inTime =
    proof.epoch === epochAt(identity, nowSeconds) ||
    proof.epoch === epochAt(identity, nowSeconds - EPOCH_GRACE_SECONDS) ||
    proof.epoch === epochAt(identity, nowSeconds + EPOCH_GRACE_SECONDS);
  if (!inTime || proof.nonce.length !== 8) return null;
  if (leadingZeroBits(digest(PUZZLE_LABEL, identity, proof.epoch, proof.nonce)) < puzzleBits) return null;
  return positionOf(identity, proof);
}

/** The position that belongs to a proof, whether that holds or not. */
export function positionOf(identity: Buffer, { epoch, nonce }: PositionProof): Buffer {
  return lasting(digest(POSITION_LABEL, identity, epoch, nonce));
}
