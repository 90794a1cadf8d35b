/** Who may ring, and which calls there were. */

import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';
import { formatPseudoIdentity, generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import type { CallView } from '../../../src/voip/call.js';
import { CallLog, entryOf } from '../../../src/voip/call-log.js';
import { CallerRules } from '../../../src/voip/caller-rules.js';
import { verificationWords } from '../../../src/voip/verification-words.js';

const test = suite('callers');
const directory = () => mkdtempSync(join(tmpdir(), 'peer-callers-'));
const remote = generatePseudoIdentity().publicKey;

test('each pseudo-identity has its rule, and who is blocked rings at none', async () => {
  const stateDir = directory();
  const rules = new CallerRules(stateDir, new VirtualClock());
  const may = (local: string, isContact: boolean) => rules.judge({ local, remote, isContact });
  assert.is(await may('me', false), 'ring');
  await rules.setRule('me', 'contacts');
  await rules.setRule('work', 'nobody');
  assert.is(statSync(join(stateDir, 'callers.json')).mode & 0o777, 0o600);
  assert.equal(await Promise.all([may('me', false), may('me', true), may('work', true)]), [
    'ignored',
    'ring',
    'missed',
  ]);
  assert.is(await may('constructor', false), 'ring');
  await rules.block(remote);
  assert.is(await may('me', true), 'ignored');
  await rules.unblock(remote);
  rules.answered('me', formatPseudoIdentity(remote));
  assert.is(await may('me', true), 'ring');
  assert.equal([await rules.ruleOf('me'), await rules.ruleOf('other')], ['contacts', 'everyone']);
});

test('one caller does not ring without end, others still do', async () => {
  const clock = new VirtualClock();
  const rules = new CallerRules(directory(), clock);
  const rings = async (caller: Buffer) =>
    (await rules.judge({ local: 'me', remote: caller, isContact: false })) === 'ring';
  let rung = 0;
  for (let attempt = 0; attempt < 20; attempt += 1) if (await rings(remote)) rung += 1;
  assert.is(rung, 4);
  assert.ok(await rings(generatePseudoIdentity().publicKey));
  rules.answered('me', formatPseudoIdentity(remote));
  assert.ok(await rings(remote));
  for (let attempt = 0; attempt < 3; attempt += 1) await rings(remote);
  assert.not(await rings(remote));
  await clock.advance(5 * 60_000);
  assert.ok(await rings(remote));
});

test('a damaged file of rules is an error, not an open door', async () => {
  const stateDir = directory();
  writeFileSync(join(stateDir, 'callers.json'), '{"version": 1}');
  const failure = await new CallerRules(stateDir, new VirtualClock())
    .judge({ local: 'me', remote, isContact: true })
    .catch((error: { code: string }) => error.code);
  assert.is(failure, 'callers-file');
});

function view(call: Partial<CallView>): CallView {
  const conditions = { muted: false, held: false, heldByRemote: false, interrupted: false };
  return { id: 1, direction: 'incoming', remote: 'them', state: 'ended', ...conditions, ...call };
}

test('the call log keeps the newest calls, knows which were missed, and can be without any', async () => {
  const stateDir = directory();
  const log = new CallLog(stateDir, 3);
  await Promise.all([
    log.add(entryOf(view({ reason: 'hung-up', talkedMs: 61_400 }), 1)),
    log.add(entryOf(view({ reason: 'no-answer' }), 2)),
    log.add(entryOf(view({ reason: 'declined' }), 3)),
    log.add(entryOf(view({ direction: 'outgoing', reason: 'no-answer' }), 4)),
  ]);
  assert.equal(
    (await log.list()).map(({ endedSeconds, missed }) => [endedSeconds, missed]),
    [
      [2, true],
      [3, false],
      [4, false],
    ],
  );
  assert.is(statSync(join(stateDir, 'calls.json')).mode & 0o777, 0o600);
  await new CallLog(stateDir, 0).add(entryOf(view({ reason: 'lost' }), 5));
  assert.not(existsSync(join(stateDir, 'calls.json')));
});

test('the words are those of BIP-39 for the first 44 bits', () => {
  assert.is(verificationWords(Buffer.alloc(32)), 'abandon abandon abandon abandon');
  assert.is(verificationWords(Buffer.alloc(32, 0xff)), 'zoo zoo zoo zoo');
  assert.is(verificationWords(Buffer.from('0020040080100000', 'hex')), 'ability ability ability ability');
  const changed = Buffer.alloc(32);
  changed[5] = 0x10;
  assert.is.not(verificationWords(changed), verificationWords(Buffer.alloc(32)));
});

test.run();
