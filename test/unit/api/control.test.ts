/** Role: the control sockets of the daemons. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlServer, controlSocketPath } from '../../../src/api/control.js';
import { ControlClient } from '../../../src/api/control-client.js';
import { PeerError } from '../../../src/errors.js';
import { recordingLog } from '../../support/api-bench.js';

interface Context {
  directory: string;
  path: string;
  server: ControlServer;
}

const codeOf = (action: Promise<unknown>) =>
  action.then(
    () => 'ok',
    (error: PeerError) => error.code,
  );
const handlers = {
  add: (args: unknown) => (args as number[]).reduce((sum, value) => sum + value, 0),
  later: async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return 'done';
  },
  nothing: () => undefined,
  refuse: () => {
    throw new PeerError('busy', 'already in a call', { remedy: 'hang up first' });
  },
  bug: () => {
    throw new TypeError('secret detail');
  },
  never: () => new Promise(() => {}),
};

const control = suite<Context>('control socket');
control.before.each(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-control-'));
  context.path = join(context.directory, 'dht.sock');
  context.server = new ControlServer({ path: context.path, handlers, log: recordingLog().log });
  await context.server.listen();
});
control.after.each(async ({ directory, server }) => {
  await server.close();
  rmSync(directory, { recursive: true });
});

control('is closed to other users', ({ path }) => {
  assert.is(statSync(path).mode & 0o777, 0o600);
});
control('answers requests, several at once', async ({ path }) => {
  const client = await ControlClient.connect(path);
  const answers = [client.request('add', [1, 2, 3]), client.request('later'), client.request('nothing')];
  assert.equal(await Promise.all(answers), [6, 'done', null]);
  client.close();
});
control('errors keep code, message and remedy; our own faults show no detail', async ({ path }) => {
  const client = await ControlClient.connect(path);
  const error = (await client.request('refuse').catch((caught: unknown) => caught)) as PeerError;
  assert.equal([error.code, error.message, error.remedy], ['busy', 'already in a call', 'hang up first']);
  const fault = (await client.request('bug').catch((caught: unknown) => caught)) as PeerError;
  assert.is(fault.code, 'internal');
  assert.not.match(fault.message, 'secret detail');
  assert.is(await codeOf(client.request('fly')), 'unknown-verb');
  assert.is(await codeOf(client.request('constructor')), 'unknown-verb');
  assert.is(await codeOf(client.request('never', null, { timeoutMs: 10 })), 'timeout');
  client.close();
});
control('events reach those who subscribed', async ({ path, server }) => {
  const [listener, other] = [await ControlClient.connect(path), await ControlClient.connect(path)];
  const events: unknown[] = [];
  const received = new Promise<void>((resolve) => {
    listener.onEvent = (event, data) => {
      events.push([event, data]);
      resolve();
    };
  });
  other.onEvent = () => events.push('must not come');
  await listener.request('subscribe');
  server.broadcast('ringing', { from: 'anna' });
  await received;
  await other.request('nothing');
  assert.equal(events, [['ringing', { from: 'anna' }]]);
  listener.close();
  other.close();
});
control('a client that breaks the protocol is closed, others go on', async ({ path }) => {
  const good = await ControlClient.connect(path);
  for (const bytes of ['rubbish\n', '[]\n', '{"id":{}}\n', '"x"\n', 'x'.repeat(70_000)]) {
    const bad = createConnection(path);
    bad.on('error', () => {});
    bad.resume();
    bad.write(bytes);
    await once(bad, 'close');
    assert.is(await good.request('add', [1]), 1);
  }
  good.close();
});
control('requests end when the daemon goes away', async ({ path, server }) => {
  const client = await ControlClient.connect(path);
  const waiting = codeOf(client.request('never'));
  await client.request('nothing');
  await server.close();
  assert.is(await waiting, 'control-closed');
  await client.closed;
  assert.is(await codeOf(ControlClient.connect(path)), 'not-running');
});
control('the socket of a daemon that runs is not taken over', async ({ path }) => {
  const second = new ControlServer({ path, handlers, log: recordingLog().log });
  assert.is(await codeOf(second.listen()), 'already-running');
  const client = await ControlClient.connect(path);
  assert.is(await client.request('add', [2]), 2);
  client.close();
});
control('what a crashed daemon left behind is replaced', async ({ directory }) => {
  const path = join(directory, 'stale.sock');
  writeFileSync(path, '');
  const server = new ControlServer({ path, handlers, log: recordingLog().log });
  await server.listen();
  const client = await ControlClient.connect(path);
  assert.is(await client.request('add', [3]), 3);
  client.close();
  await server.close();
});
control('a daemon that sends rubbish ends the connection', async ({ directory }) => {
  const path = join(directory, 'rogue.sock');
  const rogue = createServer((socket) => socket.end('rubbish\n'));
  await new Promise<void>((resolve) => rogue.listen(path, resolve));
  const client = await ControlClient.connect(path);
  await client.closed;
  rogue.close();
});
control('a path that no socket can have is an error with a remedy', () => {
  assert.throws(
    () => controlSocketPath({ stateDir: `/${'d'.repeat(110)}` }, 'dht'),
    (error: unknown) =>
      error instanceof PeerError && error.code === 'socket-path' && /STATE_DIR/.test(error.remedy ?? ''),
  );
  assert.is(controlSocketPath({ stateDir: '/s' }, 'kx'), '/s/kx.sock');
});
control.run();
