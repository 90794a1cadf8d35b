/** What of a call reaches the desktop, and that nothing of the desktop reaches the call. */

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NotifyMode } from '../../../src/config/config.js';
import type { CallView } from '../../../src/voip/call.js';
import { Notifications } from '../../../src/voip/notifications.js';

const RINGING: CallView = {
  ...{ id: 1, direction: 'incoming', remote: 'abcdef', contact: 'Bob & <b>Sons</b>', identity: 'work' },
  ...{ state: 'ringing', muted: false, held: false, heldByRemote: false, interrupted: false },
};
const MISSED: CallView = { ...RINGING, state: 'ended', reason: 'no-answer' };
const END = '--end--';

interface Context {
  directory: string;
}

const test = suite<Context>('notifications');
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-notify-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

/** A program in the place of notify-send. */
function program(directory: string, script: string): string {
  const file = join(directory, 'notify');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o700);
  return file;
}

/** A desktop that writes down what it is told, once for each notification. */
function desktop(directory: string, mode: NotifyMode) {
  const told = join(directory, 'told');
  const script = `{ printf '%s\\n' "$@"; echo ${END}; } > ${told}.$$ && cat ${told}.$$ >> ${told}`;
  const notifications = new Notifications({ mode, ringMs: 45_000, program: program(directory, script) });
  const read = () => (existsSync(told) ? readFileSync(told, 'utf8') : '');
  return { notifications, read };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('in full, a person reads who calls, once for each call', async ({ directory }) => {
  const { notifications, read } = desktop(directory, 'full');
  notifications.changed(RINGING);
  notifications.changed({ ...RINGING, muted: true });
  await until(() => read().includes(END));
  notifications.changed(MISSED);
  notifications.changed(MISSED);
  await until(() => read().includes('Missed call') && read().endsWith(`${END}\n`));
  const [ringing, missed, nothing] = read().split(`${END}\n`);
  assert.match(ringing ?? '', 'Incoming call\nBob &amp; &lt;b&gt;Sons&lt;/b&gt;, for work\n');
  assert.match(ringing ?? '', '--expire-time=45000\n');
  assert.match(missed ?? '', 'Missed call\nBob &amp;');
  assert.is(nothing, '');
});

test('hidden, nothing of who it is leaves the program', async ({ directory }) => {
  const { notifications, read } = desktop(directory, 'hidden');
  notifications.changed(RINGING);
  await until(() => read().includes(END));
  assert.match(read(), 'Incoming call\n');
  for (const secret of ['Bob', 'abcdef', 'work']) assert.not.match(read(), secret);
});

test('where it is off, and for calls that a person makes or answers, nothing is told', async ({
  directory,
}) => {
  const off = new Notifications({
    mode: 'no',
    ringMs: 1,
    program: program(directory, `touch ${directory}/off`),
  });
  off.changed(RINGING);
  const { notifications, read } = desktop(directory, 'full');
  notifications.changed({ ...RINGING, id: 2, direction: 'outgoing' });
  notifications.changed({ ...MISSED, id: 3 });
  notifications.changed({ ...RINGING, id: 4 });
  notifications.changed({ ...RINGING, id: 4, state: 'active' });
  notifications.changed({ ...RINGING, id: 4, state: 'ended', reason: 'hung-up' });
  notifications.changed({ ...RINGING, id: 5, contact: 'the last' });
  await until(() => read().includes('the last'));
  assert.is(read().split(END).length - 1, 2, 'of the calls 4 and 5 that they ring');
  assert.not.ok(existsSync(join(directory, 'off')));
});

test('without the program, or with one that hangs, calls are told of as ever', async ({ directory }) => {
  const none = new Notifications({ mode: 'full', ringMs: 1, program: join(directory, 'missing') });
  for (let id = 0; id < 10; id++) none.changed({ ...RINGING, id });
  const pids = join(directory, 'pids');
  const script = `echo $$ >> ${pids}; exec sleep 1000`;
  const stuck = new Notifications({
    ...{ mode: 'full', ringMs: 1, mostMs: 300 },
    program: program(directory, script),
  });
  for (let id = 0; id < 10; id++) stuck.changed({ ...RINGING, id });
  const started = () => (existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n') : []);
  await until(() => started().length === 3 && started().every((pid) => !existsSync(`/proc/${pid}`)));
  stuck.changed({ ...RINGING, id: 11 });
  await until(() => started().length === 4);
});

test.run();
