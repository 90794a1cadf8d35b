/** Role: what all daemons share: verbs, events, the end. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { controlSocketPath } from '../../../src/api/control.js';
import { ControlClient } from '../../../src/api/control-client.js';
import { runDaemon } from '../../../src/api/daemon.js';
import { parseConfig } from '../../../src/config/config.js';
import type { PeerError } from '../../../src/errors.js';
import { recordingLog } from '../../support/api-bench.js';

const daemon = suite<{ directory: string }>('runDaemon');
daemon.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-daemon-'));
});
daemon.after.each(({ directory }) => rmSync(directory, { recursive: true }));
const configIn = (directory: string) =>
  parseConfig(`HOSTKEY = k\nSTATE_DIR = ${directory}\n[DHT]\n`, '/x/peer.ini');

async function connected(path: string): Promise<ControlClient> {
  for (;;) {
    const client = await ControlClient.connect(path).catch(() => null);
    if (client !== null) return client;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

daemon('status, own verbs and events work, shutdown ends it with 0', async ({ directory }) => {
  const config = configIn(directory);
  let closed = false;
  let send: (event: string, data: unknown) => void = () => {};
  const ended = runDaemon('dht', config, recordingLog().log, async () => ({
    status: () => ({ contacts: 3 }),
    handlers: { double: (args: unknown) => Number(args) * 2 },
    attachEvents: (broadcast) => {
      send = broadcast;
    },
    close: async () => {
      closed = true;
    },
  }));
  const client = await connected(controlSocketPath(config, 'dht'));
  let status = (await client.request('status')) as Record<string, unknown>;
  while (status.starting === true) status = (await client.request('status')) as Record<string, unknown>;
  assert.is(status.module, 'dht');
  assert.is(status.pid, process.pid);
  assert.equal(status.state, { contacts: 3 });
  assert.is(await client.request('double', 21), 42);
  await client.request('subscribe');
  const event = new Promise((resolve) => {
    client.onEvent = (name, data) => resolve([name, data]);
  });
  send('joined', 1);
  assert.equal(await event, ['joined', 1]);
  await client.request('shutdown');
  assert.is(await ended, 0);
  assert.ok(closed);
  await client.closed;
});
daemon('a signal ends it with 0', async ({ directory }) => {
  const ended = runDaemon('dht', configIn(directory), recordingLog().log, async () => {
    process.nextTick(() => process.emit('SIGTERM', 'SIGTERM'));
    return { status: () => ({}), close: async () => {} };
  });
  assert.is(await ended, 0);
});
daemon('what the start rejects with comes out, and nothing stays behind', async ({ directory }) => {
  const config = configIn(directory);
  const failing = () => Promise.reject(new TypeError('no network'));
  const first = await runDaemon('dht', config, recordingLog().log, failing).catch((error: unknown) => error);
  assert.instance(first, TypeError);
  assert.is(process.listenerCount('SIGTERM'), 0);
  const failure = await ControlClient.connect(controlSocketPath(config, 'dht')).catch(
    (error: PeerError) => error,
  );
  assert.is((failure as PeerError).code, 'not-running');
});
daemon.run();
