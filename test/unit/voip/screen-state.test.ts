/** Role: what the screen makes of what the VoIP module tells, and of keys; and that what others wrote cannot harm. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallView } from '../../../src/voip/call.js';
import type { LoggedCall } from '../../../src/voip/call-log.js';
import { missedOf } from '../../../src/voip/screen/daemon-link.js';
import { type Key, press } from '../../../src/voip/screen/keys.js';
import { plainLines } from '../../../src/voip/screen/plain-lines.js';
import { safeText, safeValue } from '../../../src/voip/screen/safe-text.js';
import {
  type Action,
  INITIAL_STATE,
  reduce,
  type ScreenState,
  type StatisticsEvent,
  selectedCall,
  talkedMs,
} from '../../../src/voip/screen/screen-state.js';

const test = suite('screen state');

const ME = { name: 'me', id: 'my-identity', state: 'registered' };
const WORK = { name: 'work', id: 'other-identity', state: 'starting' };

function call(changes: Partial<CallView> = {}): CallView {
  return {
    id: 1,
    direction: 'outgoing',
    remote: 'remote-identity',
    state: 'active',
    muted: false,
    held: false,
    heldByRemote: false,
    interrupted: false,
    ...changes,
  };
}

function snapshot(changes: Partial<Extract<Action, { type: 'snapshot' }>> = {}): Action {
  const contacts = ['anna', 'bob', 'bobby'].map((name) => ({ name, id: `${name}-identity` }));
  return { type: 'snapshot', identities: [ME], calls: [], last: null, contacts, missed: [], ...changes };
}

function after(...actions: readonly Action[]): ScreenState {
  return actions.reduce((state, action, index) => reduce(state, action, 1_000 * index), INITIAL_STATE);
}

function type(state: ScreenState, ...keys: readonly (string | Key)[]) {
  let last = press(state, { text: '' });
  for (const key of keys) last = press(last.state, typeof key === 'string' ? { text: key } : key);
  return last;
}

const ENTER: Key = { text: '', name: 'enter' };
const TAB: Key = { text: '', name: 'tab' };

test('a snapshot that says nothing new changes nothing, so nothing is drawn', () => {
  const talking = call({ talkedMs: 5_000, roundTripMs: 100 });
  const state = after(snapshot({ calls: [talking] }));
  const later = snapshot({ calls: [{ ...talking, talkedMs: 7_000, roundTripMs: 120 }] });
  assert.is(reduce(state, later, 2_000), state);
  assert.is.not(reduce(state, snapshot({ calls: [call({ muted: true })] }), 2_000), state);
});

test('a call is shown from its first state to its end, and then why it ended', () => {
  const state = after(snapshot(), { type: 'call', call: call({ state: 'ringing' }) });
  assert.is(selectedCall(state)?.state, 'ringing');
  const talking = reduce(state, { type: 'call', call: call({ talkedMs: 0 }) }, 10_000);
  assert.is(talkedMs(talking.calls[0] as (typeof talking.calls)[0], 13_000), 3_000);
  const over = reduce(talking, { type: 'call', call: call({ state: 'ended', reason: 'lost' }) }, 20_000);
  assert.is(over.calls.length, 0);
  assert.is(over.last?.reason, 'lost');
});

test('loss is that of the last seconds of one call', () => {
  const statistics = (received: number, lost: number, id = 1): StatisticsEvent => ({
    call: id,
    roundTripMs: 100,
    voice: { received, lost, jitterMs: 1, bufferMs: 40, inputLevel: -20, outputLevel: -30 },
  });
  const actions = (events: readonly StatisticsEvent[]): Action[] => [
    snapshot({ calls: [call(), call({ id: 2, held: true })] }),
    ...events.map((event): Action => ({ type: 'statistics', statistics: event })),
  ];
  assert.is(after(...actions([statistics(100, 50)])).quality?.lossPercent, null);
  assert.is(after(...actions([statistics(100, 50), statistics(190, 60)])).quality?.lossPercent, 10);
  const other = [statistics(100, 50), statistics(190, 60), statistics(50, 0, 2), statistics(100, 0, 2)];
  assert.is(after(...actions(other)).quality?.lossPercent, 0);
  const long = [
    statistics(0, 900),
    ...Array.from({ length: 11 }, (_, index) => statistics(50 * index, 1_000)),
  ];
  assert.is(after(...actions(long)).quality?.lossPercent, 0);
});

test('a module that goes away takes its calls with it, and is told once', () => {
  const state = after(snapshot({ calls: [call()] }), { type: 'away', text: 'gone; start it' });
  assert.is(state.calls.length, 0);
  assert.is(state.awayText, 'gone; start it');
  assert.is(reduce(state, { type: 'away', text: 'gone; start it' }, 9_000), state);
  assert.is(type(state, 'c').state.mode.kind, 'calls');
});

test('keys ask for verbs of the command line, with the call that is meant', () => {
  const ringing = call({ id: 2, direction: 'incoming', state: 'ringing' });
  const state = after(snapshot({ calls: [call({ words: 'a b c d' }), ringing] }));
  const asked = (...keys: readonly (string | Key)[]) => type(state, ...keys).request;
  assert.equal(asked('a'), { verb: 'accept', args: { call: 2 } });
  assert.equal(asked('d'), { verb: 'decline', args: { call: 2 } });
  assert.equal(asked('h'), { verb: 'hangup', args: { call: 1 } });
  assert.equal(asked(TAB, 'h'), { verb: 'hangup', args: { call: 2 } });
  assert.equal(asked('p'), { verb: 'hold', args: { held: true, call: 1 } });
  assert.equal(asked('m'), { verb: 'mute', args: { muted: true, call: 1 } });
  assert.equal(asked('w', 's'), { verb: 'words', args: { words: 'same', call: 1 } });
  assert.equal(asked('w', 'x'), { verb: 'words', args: { words: 'different', call: 1 } });
  assert.is(asked('z'), undefined);
  assert.is(type(state, 'q').quit, true);
});

test('a held call is gone on with by the same key that holds', () => {
  const calls = [call({ held: true, muted: true })];
  const state = after(snapshot({ calls }));
  assert.equal(type(state, 'p').request?.args, { held: false, call: 1 });
  assert.equal(type(state, 'm').request?.args, { muted: false, call: 1 });
});

test('a key without a call that it could mean says so', () => {
  const state = after(snapshot());
  for (const key of ['a', 'd', 'h', 'p', 'm', 'w']) {
    const { request, state: next } = type(state, key);
    assert.is(request, undefined, key);
    assert.type(next.notice, 'string', key);
  }
});

test('dialling takes a contact by what is typed of its name, else the text as identity', () => {
  const state = after(snapshot({ identities: [ME, WORK] }));
  const dialled = (...keys: readonly (string | Key)[]) => type(state, 'c', ...keys).request?.args;
  assert.equal(dialled('b', 'o', 'b', ENTER), { to: 'bob', from: 'me' });
  assert.equal(dialled('b', { text: '', name: 'down' }, ENTER), { to: 'bobby', from: 'me' });
  assert.equal(dialled('y', TAB, ENTER), { to: 'bobby', from: 'work' });
  assert.equal(dialled('q', 'x', ENTER), { to: 'qx', from: 'me' });
  assert.is(dialled('b', { text: '', name: 'escape' }, ENTER), undefined);
  assert.is(dialled(...'b'.repeat(1_000), ENTER) instanceof Object, true);
});

test('comparing words ends with the call', () => {
  const state = type(after(snapshot({ calls: [call({ words: 'a b c d' })] })), 'w').state;
  assert.is(state.mode.kind, 'words');
  const over = reduce(state, { type: 'call', call: call({ state: 'ended', reason: 'hung-up' }) }, 1);
  assert.is(over.mode.kind, 'calls');
});

test('texts of others carry no control characters, no turned writing, and end', () => {
  const bad = 'a\x1b[2J\x9b1m\r\n\u202e\u200bb\u2028';
  const expected = `a\u{fffd}[2J\u{fffd}1m${'\u{fffd}'.repeat(4)}b\u{fffd}`;
  assert.is(safeText(bad), expected);
  assert.equal(safeValue({ call: { remote: bad, list: [bad, 1, null] } }), {
    call: { remote: expected, list: [expected, 1, null] },
  });
  assert.ok(safeText('x'.repeat(100_000)).length < 1_000);
  assert.is(safeText('Zoë 東京 ✓'), 'Zoë 東京 ✓');
});

test('a missed call is shown until there was another one with the same party', () => {
  const logged = (remote: string, endedSeconds: number, missed: boolean): LoggedCall => ({
    ...{ remote, endedSeconds, missed, direction: 'incoming', reason: 'no-answer' },
  });
  const calls = [logged('a', 1, true), logged('b', 2, true), logged('a', 3, false), logged('b', 4, true)];
  assert.equal(
    missedOf(calls).map(({ remote, endedSeconds }) => `${remote}${endedSeconds}`),
    ['b4', 'b2'],
  );
});

test('without a terminal each change is a line, and what stays is none', () => {
  const lines: string[] = [];
  let state = INITIAL_STATE;
  const actions: Action[] = [
    { type: 'away', text: 'not running' },
    snapshot(),
    snapshot(),
    { type: 'identity', identity: { ...ME, state: 'retrying' } },
    { type: 'call', call: call({ state: 'ringing' }) },
    { type: 'call', call: call() },
    { type: 'statistics', statistics: { call: 1, roundTripMs: 3, voice: null } },
    { type: 'call', call: call({ muted: true }) },
    { type: 'call', call: call({ state: 'ended', reason: 'remote-hung-up' }) },
    { type: 'notice', text: 'no' },
  ];
  for (const [index, action] of actions.entries()) {
    const next = reduce(state, action, index);
    lines.push(...plainLines(next, state).map(({ text }) => text));
    state = next;
  }
  assert.equal(lines, [
    'not running',
    'connected to the VoIP module',
    'me: registered',
    'me: retrying',
    'call 1: ringing at remote-identity …',
    'call 1: talking with remote-identity',
    'call 1: talking with remote-identity, muted',
    'call 1: call ended: the other party hung up',
    'no',
  ]);
});

test.run();
