/** Pseudo-identities that are kept under a passphrase: on disk, in the commands, and in a module that runs. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../src/errors.js';
import { PseudoIdentityStore, publicView } from '../../../src/identity/pseudo-identity-store.js';
import { sealIdentity } from '../../../src/identity/sealed-identity.js';
import { OwnIdentities } from '../../../src/voip/own-identities.js';
import { testHostkeyPath } from '../../support/hostkeys.js';
import { runPeer, startPeer } from '../../support/run-peer.js';

interface Context {
  directory: string;
}

const test = suite<Context>('identities under a passphrase');
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-passphrase-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

const seedOf = ({ secretKey }: { readonly secretKey: Buffer }) => Buffer.from(secretKey.subarray(0, 32));

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return 'done';
  } catch (error) {
    return error instanceof PeerError ? error.code : String(error);
  }
}

interface Files {
  readonly config: string;
  /** Of the identity `work`. */
  readonly kept: string;
  readonly passphrase: string;
  readonly another: string;
}

async function filesIn(directory: string): Promise<Files> {
  const config = join(directory, 'peer.ini');
  writeFileSync(config, `HOSTKEY = ${await testHostkeyPath(0)}\nSTATE_DIR = state\n`);
  const [passphrase, another] = [join(directory, 'first'), join(directory, 'second')];
  writeFileSync(passphrase, 'korrekt pferd\n');
  writeFileSync(another, 'batterie heftklammer\n');
  return { config, kept: join(directory, 'state/identities/work.json'), passphrase, another };
}

test('the command gives one, and what is exported then is under it', async ({ directory }) => {
  const { config, kept, passphrase } = await filesIn(directory);
  const made = await new PseudoIdentityStore(join(directory, 'state')).new('work');
  const args = ['work', '--new-passphrase-file', passphrase, '--json', '-c', config];
  const given = await runPeer('id', 'passphrase', ...args);
  assert.equal(JSON.parse(given.stdout), { name: 'work', hasPassphrase: true });
  assert.not.match(readFileSync(kept, 'utf8'), seedOf(made).toString('hex'));
  assert.is(statSync(kept).mode & 0o777, 0o600);
  const listed = JSON.parse((await runPeer('id', 'list', '--json', '-c', config)).stdout);
  assert.equal([listed[0].id, listed[0].hasPassphrase], [publicView(made).id, true]);
  const exported = join(directory, 'work.peer-id');
  assert.is((await runPeer('id', 'export', 'work', exported, '-c', config)).code, 0);
  assert.is(readFileSync(exported, 'utf8'), readFileSync(kept, 'utf8'));
});

test('it takes the passphrase to change it and to take it off', async ({ directory }) => {
  const { config, kept, passphrase, another } = await filesIn(directory);
  const store = new PseudoIdentityStore(join(directory, 'state'));
  const made = await store.new('work');
  await store.replace(made, sealIdentity(made, 'korrekt pferd'));
  const sealed = readFileSync(kept, 'utf8');
  const change = (...args: string[]) => runPeer('id', 'passphrase', 'work', '--json', '-c', config, ...args);
  const wrong = await change('--passphrase-file', another, '--remove');
  assert.is((JSON.parse(wrong.stdout) as { error: { code: string } }).error.code, 'passphrase');
  assert.is(readFileSync(kept, 'utf8'), sealed);
  const changed = await change('--passphrase-file', passphrase, '--new-passphrase-file', another);
  assert.is(changed.code, 0, changed.stdout);
  const taken = await change('--passphrase-file', another, '--remove');
  assert.equal(JSON.parse(taken.stdout), { name: 'work', hasPassphrase: false });
  assert.equal(await store.load('work'), made);
});

test('a module uses it once it is unlocked, and until it is removed', async ({ directory }) => {
  const store = new PseudoIdentityStore(directory);
  const [open, secret] = [await store.new('open'), await store.new('secret')];
  await store.replace(secret, sealIdentity(secret, 'korrekt pferd'));
  assert.is(await codeOf(store.load('secret')), 'identity-locked');
  const own = new OwnIdentities(store);
  const names = async () => (await own.list()).map(({ name }) => name);
  assert.equal(await names(), ['open']);
  assert.equal(own.locked, [publicView(secret)]);

  assert.is(await codeOf(own.unlock('secret', seedOf(open))), 'identity-key');
  assert.equal(await names(), ['open']);
  const seed = seedOf(secret);
  assert.equal(await own.unlock('secret', seed), publicView(secret));
  assert.ok(seed.every((byte) => byte === 0));
  assert.equal(await own.list(), [open, secret]);
  assert.equal(own.locked, []);

  await store.remove('secret');
  assert.equal(await names(), ['open']);
  // The same one again, as from a backup, is locked again.
  await store.replace(secret, sealIdentity(secret, 'korrekt pferd'));
  assert.equal(await names(), ['open']);
});

test('peer id unlock reaches the module that runs', async ({ directory }) => {
  const config = join(directory, 'peer.ini');
  const ports = '[DHT]\nPORT = 1\n[KX]\nPORT = 1\nTUN_IP = 127.0.0.1/8\n[VOIP]\n';
  writeFileSync(config, `HOSTKEY = ${await testHostkeyPath(0)}\nSTATE_DIR = state\n${ports}`);
  const file = join(directory, 'passphrase');
  writeFileSync(file, 'korrekt pferd\n');
  await runPeer('id', 'new', 'work', '-c', config);
  await runPeer('id', 'passphrase', 'work', '--new-passphrase-file', file, '-c', config);
  const module = startPeer('voip', '-c', config);
  try {
    await module.until(/a passphrase protects this/);
    const states = async () => {
      const status = JSON.parse((await runPeer('status', '--json', '-c', config)).stdout);
      return (status.voip.state.identities as { name: string; state: string }[]).map(({ state }) => state);
    };
    assert.equal(await states(), ['locked']);
    const unlocked = await runPeer('id', 'unlock', 'work', '--passphrase-file', file, '-c', config);
    assert.is(unlocked.code, 0, unlocked.stderr);
    const after = await states();
    assert.is(after.length, 1);
    assert.is.not(after[0], 'locked');
  } finally {
    module.child.kill('SIGTERM');
    await module.ended;
  }
});

test.run();
