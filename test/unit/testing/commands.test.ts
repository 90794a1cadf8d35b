/** `peer test stub` and `peer test conformance` as a person runs them. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testHostkeyPath } from '../../support/hostkeys.js';
import { runPeer, startPeer } from '../../support/run-peer.js';

const test = suite('peer test');

test('peer test: a stub is started, conforms, and ends when it is told to', async () => {
  const stub = startPeer('test', 'stub', 'kx', '--port', '0');
  const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(await stub.until(/listening on/)) ?? [];
  const target = ['--target', `127.0.0.1:${port}`, '--quiet', '0.05'];
  const { code, stdout } = await runPeer('test', 'conformance', 'kx', ...target, 'kx/3.2.5', '--json');
  const report = JSON.parse(stdout);
  assert.ok(report.conforms && report.module === 'kx' && report.checks.length > 5);
  assert.is(code, 0);
  stub.child.kill('SIGTERM');
  assert.is((await stub.ended).code, 0);
  assert.is((await runPeer('test', 'conformance', 'kx', ...target)).code, 127);
  assert.is((await runPeer('test', 'stub', 'dht', '--port', '0', '--fault', 'none-such')).code, 1);
  assert.is((await runPeer('test', 'stub', 'voip', '--port', '0')).code, 2);
});

test('peer test conformance starts a module by a command and ends it', async () => {
  const program = new URL('../../../../bin/peer.js', import.meta.url).pathname;
  const port = '$(sed -n "s/^PORT = //p" {config} | head -n 1)';
  const command = `exec node ${program} test stub dht --port ${port} --fault get-silent`;
  const key = ['--hostkey', await testHostkeyPath(0), '--patience', '1', '--quiet', '0.05'];
  const checks = ['dht/3.1.6/error-for-nothing', 'dht/3.1.6/closes-on-reply'];
  const { code, stdout } = await runPeer(
    'test',
    'conformance',
    'dht',
    '--command',
    command,
    ...key,
    ...checks,
  );
  assert.is(code, 1);
  assert.match(stdout, /FAILS {2}dht\/3\.1\.6\/error-for-nothing(.|\n)*1 hold, 1 do not/);
  const broken = ['--command', 'echo broken {config}; exit 3', ...key];
  const { code: unsupported, stderr } = await runPeer('test', 'conformance', 'dht', ...broken);
  assert.is(unsupported, 127);
  assert.match(stderr, /the module ended; it said: broken/);
});

test.run();
