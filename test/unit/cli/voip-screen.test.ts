/** Role: `peer voip screen` without a terminal, beside a VoIP module that is only a control socket. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlServer } from '../../../src/api/control.js';
import { createLogger } from '../../../src/log.js';
import { startPeer } from '../../support/run-peer.js';

const test = suite<{ directory: string; config: string }>('peer voip screen without a terminal');

test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-screen-'));
  context.config = join(context.directory, 'peer.ini');
  writeFileSync(context.config, 'HOSTKEY = key.pem\nSTATE_DIR = state\n[DHT]\n[KX]\n[VOIP]\n');
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

const CALL = {
  id: 7,
  direction: 'incoming',
  remote: 'someone\x1b]0;evil\x07',
  ...{ muted: false, held: false, heldByRemote: false, interrupted: false },
};

function moduleAt(directory: string): ControlServer {
  const identities = [{ name: 'me', id: 'mine', state: 'registered' }];
  return new ControlServer({
    path: join(directory, 'state', 'voip.sock'),
    handlers: { status: () => ({ state: { identities, calls: [], call: null } }) },
    log: createLogger({ level: 'silent', name: 'test' }),
  });
}

test('it waits for the module, follows calls, notices its end and finds it again, and ends by SIGTERM', async ({
  directory,
  config,
}) => {
  const screen = startPeer('voip', 'screen', '-c', config);
  await screen.until(/not running; start it with: peer up -c .*peer\.ini\n/);
  const first = moduleAt(directory);
  await first.listen();
  await screen.until(/connected.*\nme: registered\n/);
  first.broadcast('call', { ...CALL, state: 'ringing' });
  await screen.until(/call 7: .* is calling\n/);
  first.broadcast('call', { ...CALL, state: 'ended', reason: 'no-answer' });
  await screen.until(/call 7: call ended: nobody answered\n/);
  await first.close();
  await screen.until(/nobody answered\n.*not running/s);
  const second = moduleAt(directory);
  await second.listen();
  const text = await screen.until(/(connected.*){2}me: registered\n/s);
  assert.not.match(text, '\x1b');
  screen.child.kill('SIGTERM');
  assert.is((await screen.ended).code, 0);
  await second.close();
});

test('with --json each line is an event', async ({ directory, config }) => {
  const server = moduleAt(directory);
  await server.listen();
  const screen = startPeer('voip', 'screen', '--json', '-c', config);
  await screen.until(/"registered"/);
  screen.child.kill('SIGTERM');
  const { stdout, code } = await screen.ended;
  assert.is(code, 0);
  const lines = stdout.trim().split('\n');
  assert.equal(
    lines.map((line) => JSON.parse(line)),
    [
      { event: 'module', data: 'up' },
      { event: 'identity', data: { name: 'me', id: 'mine', state: 'registered' } },
    ],
  );
  await server.close();
});

test.run();
