/**
 * Role: many real RSA-4096 hostkeys at once, for measurements: each is the product of two primes of one small pool.
 *
 * Invariants: all keys are valid hostkeys and differ; the primes are made once and kept in a file. Keys that share primes
 * protect nothing (a common divisor gives both away): never for a real peer.
 *
 * Not here: what the keys are used for.
 */

import { createPrivateKey, generatePrime } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Hostkey, identityOfModulus } from '../identity/hostkey.js';
import { writePrivateFile } from '../private-files.js';

const PRIME_BITS = 2048;
const EXPONENT = 65_537n;

/** `count` hostkeys, always the same ones for a file; a prime takes about a second of a core to make. */
export async function pooledHostkeys(file: string, count: number): Promise<Hostkey[]> {
  const primes = await loadPrimes(file, primesFor(count));
  const keys: Hostkey[] = [];
  // Ordered by the greater index, so that a larger pool begins with the keys of a smaller one.
  for (let j = 1; keys.length < count; j++) {
    for (let i = 0; i < j && keys.length < count; i++) {
      keys.push(hostkeyOf(primes[i] as bigint, primes[j] as bigint));
    }
  }
  return keys;
}

/** The least number of primes that have `count` pairs. */
export function primesFor(count: number): number {
  return Math.ceil((1 + Math.sqrt(1 + 8 * count)) / 2);
}

/** The hostkey whose modulus is the product of two primes, both with their two highest bits set. */
export function hostkeyOf(p: bigint, q: bigint): Hostkey {
  const d = inverse(EXPONENT, (p - 1n) * (q - 1n));
  const parts = { n: p * q, e: EXPONENT, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const encoded = Object.entries(parts).map(([name, value]) => [name, bytesOf(value).toString('base64url')]);
  const modulus = bytesOf(parts.n);
  return {
    privateKey: createPrivateKey({ key: { kty: 'RSA', ...Object.fromEntries(encoded) }, format: 'jwk' }),
    modulus,
    identity: identityOfModulus(modulus),
    warnings: [],
  };
}

async function loadPrimes(file: string, count: number): Promise<bigint[]> {
  const kept = await readFile(file, 'utf8').catch(() => '');
  const primes = kept
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => BigInt(`0x${line}`));
  if (primes.length >= count) return primes;
  const made = await Promise.all(Array.from({ length: count - primes.length }, makePrime));
  primes.push(...made);
  await writePrivateFile(file, `${primes.map((prime) => prime.toString(16)).join('\n')}\n`);
  return primes;
}

async function makePrime(): Promise<bigint> {
  for (;;) {
    const prime = await promisify(generateBigPrime)();
    const top = prime >> BigInt(PRIME_BITS - 2);
    if (top === 3n && (prime - 1n) % EXPONENT !== 0n) return prime;
  }
}

function generateBigPrime(done: (error: Error | null, prime: bigint) => void): void {
  generatePrime(PRIME_BITS, { bigint: true }, done);
}

/** The inverse of `value` modulo `modulus`; they must have no common divisor. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b] = [value % modulus, modulus];
  let [x, y] = [1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [x, y] = [y, x - quotient * y];
  }
  return ((x % modulus) + modulus) % modulus;
}

function bytesOf(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length & 1), '0'), 'hex');
}
