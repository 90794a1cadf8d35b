/**
 * Role: what a key does: the next state, and what the VoIP module is asked.
 *
 * Invariants: pure; a key that means nothing here changes nothing; every request is a verb that the command line has too.
 *
 * Not here: reading keys (view.tsx), asking (daemon-link.ts).
 */

import { type Mode, ringingCall, type ScreenState, selectedCall, suggestions } from './screen-state.js';

/** What was typed: printable text, or one of the keys that have names. */
export interface Key {
  readonly text: string;
  readonly name?: 'enter' | 'escape' | 'tab' | 'up' | 'down' | 'backspace';
}

export interface Request {
  readonly verb: string;
  readonly args: object;
}

export interface Pressed {
  readonly state: ScreenState;
  readonly request?: Request;
  readonly quit?: true;
}

const MAX_TYPED = 200;
const CALLS: Mode = { kind: 'calls' };

/** What stands at the foot of the screen. */
export function keyHelp({ mode }: ScreenState): readonly (readonly [key: string, meaning: string])[] {
  if (mode.kind === 'dial')
    return [
      ['↑↓', 'choose'],
      ['Tab', 'call as another identity'],
      ['Enter', 'call'],
      ['Esc', 'back'],
    ];
  if (mode.kind === 'words')
    return [
      ['s', 'the same'],
      ['x', 'different'],
      ['Esc', 'back'],
    ];
  return [
    ['c', 'call'],
    ['a', 'accept'],
    ['d', 'decline'],
    ['h', 'hang up'],
    ['p', 'hold/resume'],
    ['m', 'mute'],
    ['w', 'words'],
    ['Tab', 'other call'],
    ['q', 'quit'],
  ];
}

export function press(before: ScreenState, key: Key): Pressed {
  const state = before.notice === null ? before : { ...before, notice: null };
  if (state.mode.kind === 'dial') return pressInDial(state, state.mode, key);
  if (state.mode.kind === 'words') return pressInWords(state, state.mode.call, key);
  return pressInCalls(state, key);
}

function pressInCalls(state: ScreenState, { text, name }: Key): Pressed {
  if (name === 'tab' || name === 'up' || name === 'down') return { state: selectOther(state) };
  if (text === 'q') return { state, quit: true };
  if (state.link !== 'up') return { state };
  const selected = selectedCall(state);
  switch (text) {
    case 'c':
      return { state: { ...state, mode: { kind: 'dial', text: '', chosen: 0, from: 0 } } };
    case 'a':
    case 'd': {
      const ringing = ringingCall(state);
      if (ringing === undefined) return { state: { ...state, notice: 'nobody is calling' } };
      return ask(state, text === 'a' ? 'accept' : 'decline', { call: ringing.id });
    }
  }
  if (!['h', 'p', 'm', 'w'].includes(text)) return { state };
  if (selected === undefined) return { state: { ...state, notice: 'there is no call; c calls somebody' } };
  const { id: call, held, muted, words } = selected;
  if (text === 'h') return ask(state, 'hangup', { call });
  if (text === 'p') return ask(state, 'hold', { held: !held, call });
  if (text === 'm') return ask(state, 'mute', { muted: !muted, call });
  if (words === undefined) return { state: { ...state, notice: 'there are no words to compare yet' } };
  return { state: { ...state, mode: { kind: 'words', call } } };
}

function pressInDial(
  state: ScreenState,
  mode: Extract<Mode, { kind: 'dial' }>,
  { text, name }: Key,
): Pressed {
  const found = suggestions(state);
  const change = (changes: Partial<typeof mode>): Pressed => ({
    state: { ...state, mode: { ...mode, ...changes } },
  });
  switch (name) {
    case 'escape':
      return { state: { ...state, mode: CALLS } };
    case 'up':
      return change({ chosen: Math.max(0, mode.chosen - 1) });
    case 'down':
      return change({ chosen: Math.max(0, Math.min(found.length - 1, mode.chosen + 1)) });
    case 'tab':
      return change({ from: (mode.from + 1) % Math.max(1, state.identities.length) });
    case 'backspace':
      return change({ text: mode.text.slice(0, -1), chosen: 0 });
    case 'enter': {
      const to = found[mode.chosen]?.name ?? mode.text.trim();
      if (to === '') return { state: { ...state, notice: 'type the name of a contact or an identity' } };
      return ask({ ...state, mode: CALLS }, 'call', { to, from: state.identities[mode.from]?.name });
    }
  }
  return text === '' ? { state } : change({ text: (mode.text + text).slice(0, MAX_TYPED), chosen: 0 });
}

function pressInWords(state: ScreenState, call: number, { text, name }: Key): Pressed {
  const back = { ...state, mode: CALLS };
  if (name === 'escape') return { state: back };
  if (text === 's') return ask(back, 'words', { words: 'same', call });
  if (text === 'x') return ask(back, 'words', { words: 'different', call });
  return { state };
}

function ask(state: ScreenState, verb: string, args: object): Pressed {
  return { state, request: { verb, args } };
}

function selectOther(state: ScreenState): ScreenState {
  const ids = state.calls.map(({ view }) => view.id);
  const place = ids.indexOf(selectedCall(state)?.id ?? -1);
  return ids.length < 2 ? state : { ...state, selected: ids[(place + 1) % ids.length] ?? null };
}
