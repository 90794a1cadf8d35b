/** Role: that the screen draws every state, with call states and keys visible, on a terminal that is only a stream. */

import { PassThrough } from 'node:stream';
import { render } from 'ink';
import { createElement } from 'react';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallView } from '../../../src/voip/call.js';
import { bar, durationText } from '../../../src/voip/screen/call-view.js';
import { INITIAL_STATE, type ScreenState } from '../../../src/voip/screen/screen-state.js';
import type { ScreenStore } from '../../../src/voip/screen/screen-store.js';
import { Screen } from '../../../src/voip/screen/view.js';

const test = suite('screen view');
const ROWS = 24;

/** All that is written for one state. */
function draw(changes: Partial<ScreenState>): string {
  const state: ScreenState = { ...INITIAL_STATE, link: 'up', ...changes };
  const store = { state, subscribe: () => () => {}, press: () => {} } as unknown as ScreenStore;
  const stdout = Object.assign(new PassThrough(), {
    columns: 80,
    rows: ROWS,
  }) as unknown as NodeJS.WriteStream;
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: () => stdin,
    ref: () => {},
    unref: () => {},
  }) as unknown as NodeJS.ReadStream;
  const app = render(createElement(Screen, { store }), { stdout, stdin, debug: true, patchConsole: false });
  const text = String(stdout.read());
  app.unmount();
  return text;
}

const TALKING: CallView = {
  id: 1,
  direction: 'outgoing',
  remote: 'x'.repeat(60),
  contact: 'bob',
  identity: 'me',
  state: 'active',
  muted: true,
  held: false,
  heldByRemote: false,
  interrupted: true,
  words: 'one two three four',
  talkedMs: 61_000,
};
const VOICE = { received: 1, lost: 0, jitterMs: 3.6, bufferMs: 60, inputLevel: -30, outputLevel: -100 };
const shown = (view: CallView) => ({ view, seenMs: 0 });

test('a call is shown with state, duration, conditions, words, levels and quality', () => {
  const text = draw({
    calls: [shown(TALKING), shown({ ...TALKING, id: 2, held: true, contact: 'anna' })],
    quality: { call: 1, roundTripMs: 142.6, lossPercent: 0.25, voice: VOICE },
  });
  for (const part of ['bob', 'talking', '01:01', '[muted]', '[interrupted', 'one two three four'])
    assert.match(text, part);
  for (const part of ['-30 dB', 'round trip 143 ms', 'loss 0.3 %', 'jitter 4 ms', 'anna', 'on hold'])
    assert.match(text, part);
});

test('a module that is away is said with what to do', () => {
  assert.match(
    draw({ link: 'away', awayText: 'not running; start it with: peer up' }),
    'start it with: peer up',
  );
});

test('call states and keys stay visible on a small terminal, however much there is', () => {
  const many = Array.from({ length: 50 }, (_, index) => `name${index}`);
  const full: Partial<ScreenState> = {
    identities: many.map((name) => ({ name, id: `id ${name}`, state: 'registered' })),
    contacts: many.map((name) => ({ name, id: `id ${name}` })),
    missed: many.map((name, index) => ({
      ...{ remote: name, endedSeconds: index, direction: 'incoming', reason: 'no-answer', missed: true },
    })),
    calls: [shown(TALKING), shown({ ...TALKING, id: 2, held: true })],
    quality: { call: 1, roundTripMs: null, lossPercent: null, voice: VOICE },
  };
  const calling = draw(full);
  assert.ok(calling.split('\n').length < ROWS, calling);
  for (const part of ['talking', 'on hold', 'name2', 'quit']) assert.match(calling, part);
  const dialling = draw({ ...full, mode: { kind: 'dial', text: 'name', chosen: 30, from: 0 } });
  assert.ok(dialling.split('\n').length < ROWS, dialling);
  for (const part of ['talking', 'on hold', 'name30', 'Esc']) assert.match(dialling, part);
});

test('bars have one width, and durations hours where there are any', () => {
  assert.is(bar(-100), `${'░'.repeat(24)} -100 dB`);
  assert.is(bar(0), `${'█'.repeat(24)} 0 dB`);
  assert.is(bar(-30), `${'█'.repeat(12)}${'░'.repeat(12)} -30 dB`);
  assert.is(durationText(59_999), '00:59');
  assert.is(durationText(3_661_000), '1:01:01');
});

test.run();
