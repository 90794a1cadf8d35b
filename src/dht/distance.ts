/** XOR metric on 256-bit ids. Ids are 32-byte buffers; nothing here allocates. */

export const ID_BYTES = 32;
export const ID_BITS = 256;

/** Negative where `a` is closer to `target` than `b`, positive where it is farther, 0 where they are equal. */
export function compareDistance(target: Buffer, a: Buffer, b: Buffer): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const t = target[i] as number;
    const difference = ((a[i] as number) ^ t) - ((b[i] as number) ^ t);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The first 32 bits of an id as a signed number, which V8 keeps without a box. `(a ^ b) >>> 0` of two of them are the first
 * 32 bits of a distance; where two distances differ in them, they say which is the smaller one.
 */
export function idHead(id: Buffer): number {
  return id.readInt32BE(0);
}

/** Number of leading bits that the two ids share: 0 to 256. */
export function sharedPrefixBits(a: Buffer, b: Buffer): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const difference = (a[i] as number) ^ (b[i] as number);
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return ID_BITS;
}

/** A copy of `id` that shares exactly `bits` leading bits with it; the bits behind come from `random` (32 bytes). */
export function idInBucket(id: Buffer, bits: number, random: Buffer): Buffer {
  const result = Buffer.from(random);
  const whole = bits >> 3;
  id.copy(result, 0, 0, whole);
  const inside = bits & 7;
  const keep = (0xff << (8 - inside)) & 0xff;
  const flip = 0x80 >> inside;
  const own = id[whole] as number;
  const mixed = (own & keep) | ((result[whole] as number) & ~keep & 0xff);
  result[whole] = (mixed & ~flip & 0xff) | (~own & flip);
  return result;
}
