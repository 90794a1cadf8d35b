/** Role: certificates against the vectors that Rust reads too, and the keys of modules. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDhtCertificate } from '../../../src/engine/dht-certificate.js';
import { PeerError } from '../../../src/errors.js';
import {
  CERTIFICATE_BYTES,
  type CertificatePurpose,
  issueCertificate,
  verifyCertificate,
} from '../../../src/identity/certificate.js';
import { loadModuleKey } from '../../../src/identity/module-key.js';
import { testHostkey } from '../../support/hostkeys.js';

interface Vector {
  readonly comment: string;
  readonly purpose: CertificatePurpose;
  readonly nowSeconds: number;
  readonly certificate: string;
  readonly result: string;
  readonly identity?: string;
  readonly key?: string;
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../../../../test/vectors/certificates.json', import.meta.url), 'utf8'),
) as { vectors: Vector[] };
const NOW = 1_800_000_000;
const DAY = 86_400;

const outcome = (certificate: Buffer, purpose: CertificatePurpose, now: number): string => {
  try {
    verifyCertificate(certificate, purpose, now);
    return 'ok';
  } catch (error) {
    if (error instanceof PeerError) return error.code;
    throw error;
  }
};

const certificates = suite('certificate');
for (const vector of vectors) {
  certificates(`vector: ${vector.comment}`, () => {
    const bytes = Buffer.from(vector.certificate, 'hex');
    assert.is(outcome(bytes, vector.purpose, vector.nowSeconds), vector.result);
    if (vector.result !== 'ok') return;
    const { identity, key } = verifyCertificate(bytes, vector.purpose, vector.nowSeconds);
    assert.is(identity.toString('hex'), vector.identity);
    assert.is(key.toString('hex'), vector.key);
  });
}
for (const vector of vectors.filter(({ purpose }) => purpose === 'dht')) {
  certificates(`native code, vector: ${vector.comment}`, () => {
    const read = readDhtCertificate(Buffer.from(vector.certificate, 'hex'), vector.nowSeconds);
    assert.is(read !== null, vector.result === 'ok');
    if (!read) return;
    assert.is(read.toString('hex', 0, 64), `${vector.identity}${vector.key}`);
    const expirySeconds = Number(read.readBigUInt64BE(64));
    assert.is(
      expirySeconds,
      verifyCertificate(Buffer.from(vector.certificate, 'hex'), 'dht', vector.nowSeconds).expirySeconds,
    );
  });
}
certificates('native code: a certificate for another purpose is none for the DHT', async () => {
  const hostkey = await testHostkey(0);
  const [dht, link] = await Promise.all(
    (['dht', 'kx-link'] as const).map((purpose) =>
      issueCertificate(hostkey, purpose, Buffer.alloc(32, 7), NOW + DAY),
    ),
  );
  assert.is.not(readDhtCertificate(dht as Buffer, NOW), null);
  assert.is(readDhtCertificate(link as Buffer, NOW), null);
});
certificates('what is issued is verified', async () => {
  const hostkey = await testHostkey(0);
  const key = Buffer.alloc(32, 7);
  const certificate = await issueCertificate(hostkey, 'kx-hop', key, NOW + 30 * DAY);
  assert.is(certificate.length, CERTIFICATE_BYTES);
  const verified = verifyCertificate(certificate, 'kx-hop', NOW);
  assert.equal(verified, { identity: hostkey.identity, key, expirySeconds: NOW + 30 * DAY });
});
certificates('no altered bit is accepted', async () => {
  const certificate = await issueCertificate(await testHostkey(0), 'dht', Buffer.alloc(32, 7), NOW + DAY);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: CERTIFICATE_BYTES * 8 - 1 }), (bit) => {
      const copy = Buffer.from(certificate);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.is.not(outcome(copy, 'dht', NOW), 'ok');
    }),
  );
});
certificates('arbitrary bytes never give another exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_200 }), (bytes) => {
      assert.is.not(outcome(Buffer.from(bytes), 'dht', NOW), 'ok');
    }),
  );
});
certificates.run();

const keys = suite<{ directory: string }>('module key');
keys.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-key-'));
});
keys.after.each(({ directory }) => rmSync(directory, { recursive: true }));
keys('is made once and kept, closed to others', async ({ directory }) => {
  const hostkey = await testHostkey(0);
  const first = await loadModuleKey(directory, 'dht', hostkey, NOW);
  const again = await loadModuleKey(directory, 'dht', hostkey, NOW + DAY);
  assert.equal(again, first);
  assert.is(statSync(join(directory, 'dht')).mode & 0o777, 0o700);
  assert.is(statSync(join(directory, 'dht/module-key.json')).mode & 0o777, 0o600);
  assert.equal(verifyCertificate(first.certificate, 'dht', NOW).key, first.publicKey);
});
keys('each name has a key of its own', async ({ directory }) => {
  const hostkey = await testHostkey(0);
  const link = await loadModuleKey(directory, 'kx-link', hostkey, NOW);
  const hop = await loadModuleKey(directory, 'kx-hop', hostkey, NOW);
  assert.not.equal(link.publicKey, hop.publicKey);
});
keys(
  'the certificate is renewed when fewer than 10 days are left, for the same key',
  async ({ directory }) => {
    const hostkey = await testHostkey(0);
    const first = await loadModuleKey(directory, 'dht', hostkey, NOW);
    const renewed = await loadModuleKey(directory, 'dht', hostkey, NOW + 20 * DAY + 1);
    assert.equal(renewed.publicKey, first.publicKey);
    assert.is(
      verifyCertificate(renewed.certificate, 'dht', NOW + 21 * DAY).expirySeconds,
      NOW + 50 * DAY + 1,
    );
  },
);
keys('another hostkey gets another key', async ({ directory }) => {
  const first = await loadModuleKey(directory, 'dht', await testHostkey(0), NOW);
  const second = await loadModuleKey(directory, 'dht', await testHostkey(1), NOW);
  assert.not.equal(second.publicKey, first.publicKey);
});
keys('a damaged file is an error that names it', async ({ directory }) => {
  const hostkey = await testHostkey(0);
  await loadModuleKey(directory, 'dht', hostkey, NOW);
  const path = join(directory, 'dht/module-key.json');
  writeFileSync(path, '{"version":1');
  try {
    await loadModuleKey(directory, 'dht', hostkey, NOW);
    assert.unreachable();
  } catch (error) {
    assert.is((error as PeerError).code, 'module-key');
    assert.match((error as PeerError).message, path);
  }
});
keys.run();
