/**
 * Role: the words by which two people find out whether somebody stands between them.
 *
 * The English list of BIP-39 (2048 words, no two with the same first four letters); four of them are 44 bits of the
 * handshake's hash, which covers the keys of both pseudo-identities and both ephemeral keys. Whoever stood between would
 * have to find, within the ten seconds of a handshake, keys that give the same 44 bits on both sides.
 */

import { wordlist } from '@scure/bip39/wordlists/english.js';

const WORDS = 4;
const BITS = 11;

/** @param hash at least 8 bytes */
export function verificationWords(hash: Buffer): string {
  const bits = hash.readBigUInt64BE(0);
  const indexes = Array.from({ length: WORDS }, (_, at) =>
    Number((bits >> BigInt(64 - BITS * (at + 1))) & 0x7ffn),
  );
  return indexes.map((index) => wordlist[index]).join(' ');
}
