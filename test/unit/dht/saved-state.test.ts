import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import { loadContacts, loadContents, saveContacts, saveContents } from '../../../src/dht/saved-state.js';
import { ContentStore } from '../../../src/dht/store.js';

const test = suite<{ directory: string }>('dht saved state');
const NOW = 1_800_000_000_000;
const sender = randomBytes(32).toString('hex');

test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'peer-saved-state-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

function contact(ipv4: string | null, ipv6: string | null): Contact {
  const identity = randomBytes(32);
  const proof = { epoch: 77, nonce: randomBytes(8) };
  const rest = { key: randomBytes(32), position: randomBytes(32), port: 3000 };
  return { id: identity.toString('hex'), identity, proof, ipv4, ipv6, ...rest };
}

test('contacts come back as they were, still to be verified', async ({ directory }) => {
  const contacts = [
    contact('203.0.113.1', null),
    contact(null, '2001:db8::1'),
    contact('203.0.113.2', '::1'),
  ];
  await saveContacts(directory, contacts);
  const loaded = await loadContacts(directory);
  assert.equal(
    loaded,
    contacts.map(({ position: _, ...unverified }) => unverified),
  );
  const { mode } = await stat(join(directory, 'dht', 'contacts.bin'));
  assert.is(mode & 0o777, 0o600);
});

test('contents come back with what is left of their time, and none that has expired', async ({
  directory,
}) => {
  const store = new ContentStore();
  const [long, short, empty] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const big = randomBytes(65_491);
  store.put({ key: long, ttlMs: 3_600_000, replication: 7, content: big }, sender, NOW);
  store.put({ key: short, ttlMs: 1_000, replication: 1, content: Buffer.from('x') }, sender, NOW);
  store.put({ key: empty, ttlMs: 60_000, replication: 255, content: Buffer.alloc(0) }, sender, NOW);
  await saveContents(directory, store.all(NOW));
  const restarted = new ContentStore();
  assert.is(await loadContents(directory, restarted, NOW + 1_000), 2);
  const [held] = restarted.get(long, NOW + 1_000);
  assert.ok(held?.content.equals(big));
  assert.is(held?.expiresAtMs, NOW + 3_600_000);
  assert.is(held?.replication, 7);
  assert.is(held?.sender, sender);
  assert.is(restarted.get(empty, NOW + 59_999).length, 1);
  assert.is(restarted.get(long, NOW + 3_600_000).length, 0);
});

test('contents are checked by pieces, between which others have their turns', async ({ directory }) => {
  const store = new ContentStore();
  for (let i = 0; i < 500; i++) {
    store.put({ key: randomBytes(32), ttlMs: 60_000, replication: 1, content: randomBytes(20) }, sender, NOW);
  }
  await saveContents(directory, store.all(NOW));
  let [inTurn, most] = [0, 0];
  class Watched extends ContentStore {
    override put(...args: Parameters<ContentStore['put']>) {
      if (inTurn === 0) {
        setImmediate(() => {
          inTurn = 0;
        });
      }
      inTurn += 1;
      most = Math.max(most, inTurn);
      return super.put(...args);
    }
  }
  assert.is(await loadContents(directory, new Watched(), NOW), 500);
  assert.ok(most <= 64, `${most} in one turn`);
});

test('a missing, foreign, cut or altered file counts as none', async ({ directory }) => {
  assert.equal(await loadContacts(directory), []);
  assert.is(await loadContents(directory, new ContentStore(), NOW), 0);
  const store = new ContentStore();
  store.put({ key: randomBytes(32), ttlMs: 60_000, replication: 1, content: randomBytes(500) }, sender, NOW);
  await saveContents(directory, store.all(NOW));
  await saveContacts(directory, [contact('203.0.113.1', null)]);
  const read = {
    'contents.bin': () => loadContents(directory, new ContentStore(), NOW),
    'contacts.bin': async () => (await loadContacts(directory)).length,
  };
  for (const name of ['contents.bin', 'contacts.bin'] as const) {
    const path = join(directory, 'dht', name);
    const whole = await readFile(path);
    for (const damaged of [whole.subarray(0, -1), whole.subarray(0, 3), Buffer.alloc(0), randomBytes(700)]) {
      await writeFile(path, damaged);
      assert.is(await read[name](), 0);
    }
  }
  const path = join(directory, 'dht', 'contents.bin');
  await saveContents(directory, store.all(NOW));
  const bytes = await readFile(path);
  bytes[100] = (bytes[100] as number) ^ 1;
  await writeFile(path, bytes);
  assert.is(await loadContents(directory, new ContentStore(), NOW), 0);
});

test.run();
