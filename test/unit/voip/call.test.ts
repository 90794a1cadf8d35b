import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { steadyClock } from '../../../src/clock.js';
import { formatPseudoIdentity, generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { Call, END_TEXT } from '../../../src/voip/call.js';
import { Contacts } from '../../../src/voip/contacts.js';

const test = suite('calls and contacts');

function outgoing(states: string[] = []): Call {
  return new Call({
    id: 1,
    direction: 'outgoing',
    remote: 'someone',
    contact: undefined,
    clock: steadyClock,
    onChange: (call) => states.push(call.view().state),
  });
}

test('a call goes the ways of the table, and every change is told once', () => {
  const states: string[] = [];
  const call = outgoing(states);
  for (const kind of ['building', 'connecting', 'ringing', 'active'] as const) assert.ok(call.go({ kind }));
  assert.ok(call.go({ kind: 'ended', reason: 'remote-hung-up' }));
  assert.equal(states, ['looking-up', 'building', 'connecting', 'ringing', 'active', 'ended']);
  const { ringingAfterMs, answeredAfterMs, reason } = call.view();
  assert.ok(ringingAfterMs !== undefined && answeredAfterMs !== undefined && reason === 'remote-hung-up');
});

test('what the table does not have does not happen', () => {
  const call = outgoing();
  assert.not(call.go({ kind: 'ringing' }));
  assert.ok(call.go({ kind: 'ended', reason: 'unknown-identity' }));
  for (const kind of ['building', 'ringing', 'active'] as const) assert.not(call.go({ kind }));
  assert.not(call.go({ kind: 'ended', reason: 'lost' }));
  assert.is(call.view().reason, 'unknown-identity');
});

test('every end has words for a person', () => {
  for (const text of Object.values(END_TEXT)) assert.ok(text.length > 5);
});

test('contacts are kept, found by name and by identity, and removed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-contacts-'));
  const contacts = new Contacts(directory);
  const { publicKey } = generatePseudoIdentity();
  const id = formatPseudoIdentity(publicKey);
  await contacts.add('Alice B.', id);
  assert.is(statSync(join(directory, 'contacts.json')).mode & 0o777, 0o600);
  assert.ok((await contacts.resolve('Alice B.')).equals(publicKey));
  assert.ok((await contacts.resolve(id)).equals(publicKey));
  assert.is((await contacts.of(publicKey))?.name, 'Alice B.');
  await contacts.setWords(id, 'same');
  await contacts.add('Alice', id);
  assert.equal(
    (await contacts.list()).map(({ words }) => words),
    ['same', 'same'],
  );
  await contacts.remove('Alice');
  await contacts.remove('Alice B.');
  assert.equal(await contacts.list(), []);
  for (const action of [
    () => contacts.remove('Alice B.'),
    () => contacts.add('../x', id),
    () => contacts.add('a', 'b'),
    () => contacts.resolve('constructor'),
    () => contacts.remove('constructor'),
  ]) {
    await action().then(
      () => assert.unreachable(),
      (error) => assert.is(error.name, 'PeerError'),
    );
  }
  rmSync(directory, { recursive: true });
});

test.run();
