/** Role: `peer test proxy` and `peer test proxy-rules` as a person meets them. */

import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runPeer, startPeer } from '../../../support/run-peer.js';

interface Context {
  directory: string;
  file: (name: string) => string;
}

const LISTEN = ['--listen', '127.0.0.1:0', '--target', '127.0.0.1:1'];

const test = suite<Context>('peer test proxy');
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-proxy-cli-'));
  context.file = (name) => join(context.directory, name);
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

test('wrong usage ends with 2, and says what is expected', async () => {
  const wrong = [
    [['voip', ...LISTEN], /expected dht or kx, not voip/],
    [['dht', '--listen', '127.0.0.1', '--target', '127.0.0.1:1'], /--listen: expected HOST:PORT/],
    [['dht', '--listen', '127.0.0.1:0', '--target', '127.0.0.1:0'], /--target: expected HOST:PORT/],
    [['dht', ...LISTEN, '--seed', 'x'], /--seed: expected a whole number, not x/],
  ] as const;
  for (const [args, pattern] of wrong) {
    const { code, stderr } = await runPeer('test', 'proxy', ...args);
    assert.is(code, 2);
    assert.match(stderr, pattern);
  }
});

test('a rule that is none ends it with 1, with file, place and what is expected', async ({ file }) => {
  writeFileSync(file('rules.json'), '{"rules": [{"name": "a", "action": "delay", "delayMs": "soon"}]}');
  const { code, stderr } = await runPeer('test', 'proxy', 'kx', ...LISTEN, '--rules', file('rules.json'));
  assert.is(code, 1);
  assert.match(stderr, /rules\.json: rules\.0\.delayMs: Invalid type: Expected number but received "soon"/);
  assert.match(stderr, /docs\/testing\/proxy\.md/);
});

test('a proxy that is not there is told with what to do', async ({ file }) => {
  const { code, stderr } = await runPeer('test', 'proxy-rules', '--control', file('none.sock'), 'list');
  assert.is(code, 1);
  assert.match(stderr, /peer test proxy … --control SOCKET/);
});

test('runs, takes rules, leaves the directory of its socket as it was, and ends in order', async (context) => {
  const { directory, file } = context;
  chmodSync(directory, 0o755);
  const control = ['--control', file('proxy.sock')];
  // A target that is not there would have the client's connection reset, perhaps before it knows that it is connected.
  const target = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  await once(target, 'listening');
  const { port } = target.address() as AddressInfo;
  const ends = ['--listen', '127.0.0.1:0', '--target', `127.0.0.1:${port}`];
  const proxy = startPeer('test', 'proxy', 'dht', ...ends, ...control, '--log', file('log'), '--json');
  const { listen } = JSON.parse(await proxy.until(/\n/)) as { listen: { host: string; port: number } };
  const rule = '{"name": "deaf", "action": "drop"}';
  assert.is((await runPeer('test', 'proxy-rules', ...control, 'add', rule)).code, 0);
  const again = await runPeer('test', 'proxy-rules', ...control, 'add', rule);
  assert.is(again.code, 1);
  assert.match(again.stderr, /there is a rule with the name deaf already/);
  const listed = await runPeer('test', 'proxy-rules', ...control, 'list');
  assert.is(listed.stdout, `deaf: applied to 0 of 0\n  {"name":"deaf","action":"drop"}\n`);
  assert.is(statSync(directory).mode & 0o777, 0o755);
  // A connection that is open does not keep it from ending.
  const client = createConnection(listen);
  client.on('error', () => {});
  await once(client, 'connect');
  proxy.child.kill('SIGTERM');
  assert.is((await proxy.ended).code, 0);
  assert.not(existsSync(file('proxy.sock')));
  client.destroy();
  target.close();
});

test.run();
