/**
 * Positions in the id space and the puzzle that makes each one cost work (design 2).
 *
 * position = SHA-256("position" ‖ identity ‖ epoch u16 ‖ nonce u64), valid only if
 * SHA-256("position puzzle" ‖ identity ‖ epoch ‖ nonce) begins with PUZZLE_BITS zero bits. So every candidate
 * position costs the whole puzzle. An epoch lasts 30 days and begins at a time that depends on the identity.
 * Not here: where the proof is kept (position-store.ts).
 */
import { createHash } from 'node:crypto';

/** Leading zero bits: about 2^PUZZLE_BITS hashes. A constant of the network. */
export const PUZZLE_BITS = 16;
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
const PUZZLE_LABEL = Buffer.from('position puzzle', 'ascii');

function digest(label: Buffer, identity: Buffer, epoch: number, nonce: Buffer): Buffer {
  const epochBytes = Buffer.of(epoch >> 8, epoch & 0xff);
  return createHash('sha256').update(label).update(identity).update(epochBytes).update(nonce).digest();
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
  return digest(POSITION_LABEL, identity, proof.epoch, proof.nonce);
}

/** One search for a proof, in slices, so that the caller's event loop goes on. */
export class PositionSearch {
  readonly #nonce: Buffer;

  /** @param start 8 random bytes at which the search begins */
  constructor(
    readonly identity: Buffer,
    readonly epoch: number,
    start: Buffer,
    readonly puzzleBits = PUZZLE_BITS,
  ) {
    this.#nonce = Buffer.from(start);
  }

  /** Tries `attempts` nonces; the proof once found, else null. */
  step(attempts: number): PositionProof | null {
    let value = this.#nonce.readBigUInt64BE();
    for (let i = 0; i < attempts; i++) {
      value = (value + 1n) & 0xffff_ffff_ffff_ffffn;
      this.#nonce.writeBigUInt64BE(value);
      if (leadingZeroBits(digest(PUZZLE_LABEL, this.identity, this.epoch, this.#nonce)) >= this.puzzleBits) {
        return { epoch: this.epoch, nonce: Buffer.from(this.#nonce) };
      }
    }
    return null;
  }
}
