/**
 * Role: base32 (RFC 4648 alphabet, lower case, no padding).
 *
 * Invariants: one text for each byte string: unused bits must be zero. Reading is total.
 *
 * Not here: what is encoded (pseudo-identity.ts).
 */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

export function toBase32(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += ALPHABET[(bits >>> count) & 31];
    }
    bits &= (1 << count) - 1;
  }
  return count === 0 ? text : text + ALPHABET[(bits << (5 - count)) & 31];
}

/** `null` for any other character (upper case too), an impossible length, or unused bits that are not zero. */
export function fromBase32(text: string): Buffer | null {
  const out = Buffer.alloc(Math.floor((text.length * 5) / 8));
  let bits = 0;
  let count = 0;
  let offset = 0;
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    bits = (bits << 5) | value;
    count += 5;
    if (count >= 8) {
      count -= 8;
      out[offset++] = bits >>> count;
      bits &= (1 << count) - 1;
    }
  }
  return count >= 5 || bits !== 0 ? null : out;
}
