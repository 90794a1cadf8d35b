/** Role: `peer metrics` as a person meets it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runPeer, startPeer } from '../../support/run-peer.js';

const test = suite<{ directory: string; config: string }>('peer metrics');
test.before(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-metrics-'));
  await runPeer('init', join(context.directory, 'peer'), '--address', '127.0.0.1');
  context.config = join(context.directory, 'peer/peer.ini');
});
test.after(({ directory }) => rmSync(directory, { recursive: true }));

test('serves until it is told to stop, also where no module runs', async ({ config }) => {
  const running = startPeer('metrics', '-c', config, '--listen', '127.0.0.1:0', '--json');
  const { url } = JSON.parse(await running.until(/\n/)) as { url: string };
  const answer = await fetch(url);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const text = await answer.text();
  for (const module of ['dht', 'kx', 'voip'])
    assert.match(text, new RegExp(`^peer_up\\{module="${module}"\\} 0$`, 'm'));
  running.child.kill('SIGTERM');
  assert.is((await running.ended).code, 0);
});

test('another machine is refused, with what to do', async ({ config }) => {
  const { code, stderr } = await runPeer('metrics', '-c', config, '--listen', '0.0.0.0:9464');
  assert.is(code, 1);
  assert.match(stderr, /0\.0\.0\.0 is not loopback\n {2}Use 127\.0\.0\.1/);
  assert.is((await runPeer('metrics', '-c', config, '--listen', 'nonsense:x')).code, 2);
});

test.run();
