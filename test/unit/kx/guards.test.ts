import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Guards } from '../../../src/kx/guards.js';

const anyone = (now: number) => ({
  eligible: () => true,
  fits: () => true,
  mayGrow: true,
  near: () => false,
  now,
});
const test = suite('pinned hops on disk');

test('they survive a restart, in a private file', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'peer-guards-'));
  const guards = await Guards.load(stateDir);
  const pool = Array.from({ length: 9 }, () => ({
    identity: randomBytes(32),
    address: '10.0.0.1',
    port: 3001,
  }));
  const now = Date.now();
  const chosen = guards.first.choose(pool, anyone(now));
  await guards.save();
  const path = join(stateDir, 'kx', 'pinned.json');
  assert.is(statSync(path).mode & 0o777, 0o600);
  const again = (await Guards.load(stateDir)).first.choose(pool, anyone(now));
  assert.equal(
    again.map(({ identity }) => identity.toString('hex')),
    chosen.map(({ identity }) => identity.toString('hex')),
  );
  writeFileSync(path, '{');
  await Guards.load(stateDir).then(
    () => assert.unreachable('a damaged file was taken for an empty one'),
    (error) => assert.is(error.code, 'pinned-file'),
  );
  rmSync(stateDir, { recursive: true });
});

test('the newest state is what stays, however closely writes follow each other', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'peer-guards-'));
  const guards = await Guards.load(stateDir);
  const peer = { identity: randomBytes(32), address: '10.0.0.1', port: 3001 };
  const now = Date.now();
  guards.first.choose([peer], anyone(now));
  const saves: Promise<void>[] = [];
  for (let failure = 0; failure < 10; failure += 1) {
    guards.noteFailure(peer, now);
    saves.push(guards.save());
  }
  await Promise.all(saves);
  assert.is((await Guards.load(stateDir)).first.members[0]?.failures, 10);
  rmSync(stateDir, { recursive: true });
});

test.run();
