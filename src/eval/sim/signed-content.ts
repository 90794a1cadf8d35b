/** Role: makes contents that certify themselves, and others under keys that can sign nothing, from the simulation's seed. */
import { generatePseudoIdentity, hasMark } from '../../identity/pseudo-identity.js';
import { encodeSignedValue } from '../../identity/signed-value.js';
import type { SeededRandom } from './seeded-random.js';

/** About the size of a record by which somebody can be called. */
const PAYLOAD_BYTES = 300;

export interface Keyed {
  readonly key: Buffer;
  readonly content: Buffer;
}

/** Who can sign under one key. */
export class Signer {
  readonly key: Buffer;
  readonly #secretKey: Buffer;

  constructor(readonly random: SeededRandom) {
    const identity = generatePseudoIdentity((seed) => random.bytes(seed.length).copy(seed));
    this.key = identity.publicKey;
    this.#secretKey = identity.secretKey;
  }

  /** @param expiryMs unix time */
  sign(sequence: number, expiryMs: number, payloadBytes = PAYLOAD_BYTES): Keyed {
    const value = {
      sequence: BigInt(sequence),
      expirySeconds: Math.ceil(expiryMs / 1000),
      payload: this.random.bytes(payloadBytes),
    };
    return { key: this.key, content: encodeSignedValue(value, this.key, this.#secretKey) };
  }
}

/** A content under a key that can sign nothing. */
export function unsigned(random: SeededRandom): Keyed {
  let key = random.bytes(32);
  while (hasMark(key)) key = random.bytes(32);
  return { key, content: random.bytes(PAYLOAD_BYTES) };
}
