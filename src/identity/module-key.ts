/**
 * Role: the X25519 key pair and certificate of a module, kept in STATE_DIR/<name>/module-key.json.
 *
 * Invariants: each name has a key of its own; the certificate always fits hostkey, key and purpose, and has
 * at least 10 days left; the file has mode 0600 in a directory of mode 0700.
 *
 * Not here: the certificate's layout (certificate.ts), renewal while a daemon runs (call this again).
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sodium from 'sodium-native';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import { type CertificatePurpose, issueCertificate, verifyCertificate } from './certificate.js';
import type { Hostkey } from './hostkey.js';

const LIFETIME_SECONDS = 30 * 86_400;
const RENEW_BELOW_SECONDS = 10 * 86_400;

export interface ModuleKey {
  /** X25519, 32 bytes. */
  readonly publicKey: Buffer;
  /** X25519, 32 bytes; never logged. */
  readonly secretKey: Buffer;
  /** 1074 bytes. */
  readonly certificate: Buffer;
}

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)));
const FileSchema = v.object({
  version: v.literal(1),
  secretKey: hex(32),
  certificate: v.pipe(v.string(), v.base64()),
});

/**
 * Loads the key of a module, or makes one; renews the certificate where it must be.
 *
 * `nowSeconds` is unix time. Errors: 'state-dir', 'module-key' (the file is damaged).
 */
export async function loadModuleKey(
  stateDir: string,
  name: CertificatePurpose,
  hostkey: Hostkey,
  nowSeconds: number,
): Promise<ModuleKey> {
  const directory = join(stateDir, name);
  const path = join(directory, 'module-key.json');
  await ensurePrivateDirectory(stateDir);
  await ensurePrivateDirectory(directory);
  const stored = await readStored(path);
  // A new hostkey is a new peer: nothing may link its key to that of the old one.
  const keep = stored !== null && certifiedBy(stored.certificate, hostkey);
  const secretKey = keep ? stored.secretKey : randomSecret();
  const publicKey = Buffer.alloc(32);
  sodium.crypto_scalarmult_base(publicKey, secretKey);
  if (keep && isFresh(stored.certificate, name, publicKey, nowSeconds)) {
    return { publicKey, secretKey, certificate: stored.certificate };
  }
  const certificate = await issueCertificate(hostkey, name, publicKey, nowSeconds + LIFETIME_SECONDS);
  const file = {
    version: 1,
    secretKey: secretKey.toString('hex'),
    certificate: certificate.toString('base64'),
  };
  await writePrivateFile(path, `${JSON.stringify(file)}\n`);
  return { publicKey, secretKey, certificate };
}

async function readStored(path: string): Promise<{ secretKey: Buffer; certificate: Buffer } | null> {
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new PeerError('module-key', `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    const file = v.parse(FileSchema, JSON.parse(source));
    return {
      secretKey: Buffer.from(file.secretKey, 'hex'),
      certificate: Buffer.from(file.certificate, 'base64'),
    };
  } catch (cause) {
    throw new PeerError('module-key', `${path} is damaged`, {
      cause,
      remedy: 'delete this file; the module makes a new key when it starts',
    });
  }
}

function certifiedBy(certificate: Buffer, hostkey: Hostkey): boolean {
  return certificate.subarray(2, 514).equals(hostkey.modulus);
}

function isFresh(
  certificate: Buffer,
  name: CertificatePurpose,
  publicKey: Buffer,
  nowSeconds: number,
): boolean {
  try {
    const { key, expirySeconds } = verifyCertificate(certificate, name, nowSeconds);
    return key.equals(publicKey) && expirySeconds - nowSeconds >= RENEW_BELOW_SECONDS;
  } catch {
    return false;
  }
}

function randomSecret(): Buffer {
  const secret = Buffer.alloc(32);
  sodium.randombytes_buf(secret);
  return secret;
}
