/** Each attacker on the APIs, as a person starts it, against a real peer: another client is served on, and `peer status` counts it. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { getOnce, putUntilFound } from '../../../../src/eval/dht-network/api-exchange.js';
import { ATTACKERS } from '../../../../src/testing/attackers/registry.js';
import { startAttacker } from '../../../support/attacked-network.js';
import { testHostkeyPath } from '../../../support/hostkeys.js';
import { runPeer, startPeer } from '../../../support/run-peer.js';

const COUNTED_MS = 30_000;
const host = `127.${10 + (process.pid % 10)}.${(process.pid >> 4) % 250}.1`;
const api = { host, port: 3086 };

interface Context {
  directory: string;
  file: string;
  peer: ReturnType<typeof startPeer>;
  key: Buffer;
}

const test = suite<Context>('attackers on the APIs');

/** A number in `peer status --json`, 0 where there is none. */
async function counters(file: string, paths: readonly string[]): Promise<number[]> {
  const { stdout } = await runPeer('status', '--json', '-c', file);
  return paths.map((path) => {
    const value = path
      .split('.')
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], JSON.parse(stdout));
    return typeof value === 'number' ? value : 0;
  });
}

test.before(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'peer-api-'));
  context.file = join(context.directory, 'peer.ini');
  const lines = [
    ...[`HOSTKEY = ${await testHostkeyPath(0)}`, 'STATE_DIR = state', 'LOG_LEVEL = error'],
    ...['[DHT]', `HOSTNAME = ${host}`, 'PORT = 3086', `OVERLAY_HOSTNAME = ${host}`, `HOSTLIST = ${host}`],
    ...['PRIVATE_LOOKUPS = no', '[KX]', `HOSTNAME = ${host}`, `OUTREACH_HOSTNAME = ${host}`, ''],
  ];
  await writeFile(context.file, lines.join('\n'));
  context.peer = startPeer('up', '-c', context.file);
  context.key = randomBytes(32);
  const content = { key: context.key, content: randomBytes(300), ttlSeconds: 600, replication: 1 };
  for (;;) {
    try {
      await putUntilFound(api, api, content);
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  while ((await runPeer('status', '-c', context.file)).code !== 0);
});

test.after(async ({ directory, peer }) => {
  peer.child.kill('SIGTERM');
  await peer.ended;
  await rm(directory, { recursive: true, force: true });
});

for (const { name, counters: paths } of ATTACKERS) {
  if (!name.startsWith('api-')) continue;
  test(`${name}: another client is answered meanwhile, and it is counted`, async ({ file, key }) => {
    const before = await counters(file, paths);
    const attacker = await startAttacker(name, file);
    const end = Date.now() + COUNTED_MS;
    let missing: string[];
    do {
      const answered = await getOnce(api, key);
      assert.type(answered, 'number', `a GET was ${answered}`);
      const now = await counters(file, paths);
      missing = paths.filter((_, index) => (now[index] as number) <= (before[index] as number));
    } while (missing.length > 0 && Date.now() < end);
    const { code, last } = await attacker.stop();
    assert.equal(missing, [], 'counters that did not rise');
    assert.is(code, 0);
    assert.is(last.state, 'over');
    assert.ok(Object.values(last.counts).some((count) => count > 0));
  });
}

test.run();
