/**
 * Role: what the screen knows and shows: one value, and how it changes by what the VoIP module tells.
 *
 * Invariants: pure; what changes nothing returns the same object, so nothing is drawn again; a call is shown until it is
 * over, and the newest one that is over until another one begins.
 *
 * Not here: keys (keys.ts), the module (daemon-link.ts), how it looks (view.tsx).
 */

import type { CallView } from '../call.js';
import type { LoggedCall } from '../call-log.js';
import type { Contact } from '../contacts.js';

/** How many statistics events the shown loss is taken over, one a second. */
const LOSS_WINDOW = 10;

export interface IdentityView {
  readonly name: string;
  readonly id: string;
  readonly state: string;
}

/** Data of the event `statistics`, as far as it is shown. */
export interface StatisticsEvent {
  readonly call?: number;
  readonly roundTripMs: number | null;
  readonly voice: {
    readonly received: number;
    readonly lost: number;
    readonly jitterMs: number;
    readonly bufferMs: number;
    readonly inputLevel: number;
    readonly outputLevel: number;
  } | null;
}

export interface Quality extends StatisticsEvent {
  /** Of the last seconds; null before there is a packet. */
  readonly lossPercent: number | null;
}

/** What a person does just now. */
export type Mode =
  | { readonly kind: 'calls' }
  | { readonly kind: 'dial'; readonly text: string; readonly chosen: number; readonly from: number }
  | { readonly kind: 'words'; readonly call: number };

/** A call, and when its view came: it goes on talking from there. */
export interface ShownCall {
  readonly view: CallView;
  readonly seenMs: number;
}

export interface ScreenState {
  readonly link: 'connecting' | 'up' | 'away';
  /** Why the module is away, and what to do. */
  readonly awayText: string;
  readonly identities: readonly IdentityView[];
  readonly contacts: readonly Contact[];
  readonly calls: readonly ShownCall[];
  readonly last: CallView | null;
  readonly quality: Quality | null;
  readonly samples: readonly { readonly received: number; readonly lost: number }[];
  readonly missed: readonly LoggedCall[];
  /** The call that a person has moved to; else the one that is meant. */
  readonly selected: number | null;
  readonly mode: Mode;
  /** What went wrong, and what to do. */
  readonly notice: string | null;
  readonly nowMs: number;
}

export type Action =
  | {
      readonly type: 'snapshot';
      readonly identities: readonly IdentityView[];
      readonly calls: readonly CallView[];
      readonly last: CallView | null;
      readonly contacts: readonly Contact[];
      readonly missed: readonly LoggedCall[];
    }
  | { readonly type: 'away'; readonly text: string }
  | { readonly type: 'call'; readonly call: CallView }
  | { readonly type: 'identity'; readonly identity: IdentityView }
  | { readonly type: 'statistics'; readonly statistics: StatisticsEvent }
  | { readonly type: 'notice'; readonly text: string | null };

export const INITIAL_STATE: ScreenState = {
  link: 'connecting',
  awayText: '',
  identities: [],
  contacts: [],
  calls: [],
  last: null,
  quality: null,
  samples: [],
  missed: [],
  selected: null,
  mode: { kind: 'calls' },
  notice: null,
  nowMs: 0,
};

/** `nowMs`: of a clock that never goes back. */
export function reduce(state: ScreenState, action: Action, nowMs: number): ScreenState {
  switch (action.type) {
    case 'snapshot':
      return takeSnapshot(state, action, nowMs);
    case 'away':
      if (state.link === 'away' && state.awayText === action.text) return state;
      return { ...INITIAL_STATE, link: 'away', awayText: action.text, missed: state.missed, nowMs };
    case 'call':
      return settle(withCall({ ...state, nowMs }, action.call));
    case 'identity':
      return { ...state, identities: withIdentity(state.identities, action.identity) };
    case 'statistics':
      return withStatistics({ ...state, nowMs }, action.statistics);
    case 'notice':
      return action.text === state.notice ? state : { ...state, notice: action.text };
  }
}

/** The call that keys act on. */
export function selectedCall({ calls, selected }: ScreenState): CallView | undefined {
  const views = calls.map(({ view }) => view);
  return (
    views.find(({ id }) => id === selected) ??
    views.find(({ state, held }) => state === 'active' && !held) ??
    views.find(({ state }) => state !== 'active') ??
    views[0]
  );
}

/** The call that rings here and can be accepted: the selected one, where that does. */
export function ringingCall(state: ScreenState): CallView | undefined {
  const rings = (call: CallView | undefined) => call?.state === 'ringing' && call.direction === 'incoming';
  const selected = selectedCall(state);
  return rings(selected) ? selected : state.calls.map(({ view }) => view).find(rings);
}

/** How long the two have talked; undefined before the answer. */
export function talkedMs({ view, seenMs }: ShownCall, nowMs: number): number | undefined {
  return view.talkedMs === undefined ? undefined : view.talkedMs + Math.max(0, nowMs - seenMs);
}

/** Contacts whose names contain what was typed; one typed in full comes first. */
export function suggestions(state: ScreenState): readonly Contact[] {
  if (state.mode.kind !== 'dial') return [];
  const wanted = state.mode.text.trim().toLowerCase();
  const found = state.contacts.filter(({ name }) => name.toLowerCase().includes(wanted));
  const isWhole = ({ name }: Contact) => name.toLowerCase() === wanted;
  return [...found.filter(isWhole), ...found.filter((contact) => !isWhole(contact))];
}

function takeSnapshot(
  state: ScreenState,
  { identities, calls, last, contacts, missed }: Extract<Action, { type: 'snapshot' }>,
  nowMs: number,
): ScreenState {
  const next = settle({
    ...state,
    link: 'up',
    identities,
    contacts,
    missed,
    calls: calls.map((view) => keepSeen(state, view, nowMs)),
    last: calls.length > 0 ? null : last,
  });
  return JSON.stringify(next) === JSON.stringify(state) ? state : next;
}

/** A call that only went on talking is no change. */
function keepSeen(state: ScreenState, view: CallView, nowMs: number): ShownCall {
  const known = state.calls.find((shown) => shown.view.id === view.id);
  const still = (call: CallView) =>
    JSON.stringify({ ...call, talkedMs: 0, roundTripMs: 0, lowestRoundTripMs: 0 });
  return known !== undefined && still(known.view) === still(view) ? known : { view, seenMs: nowMs };
}

function withCall(state: ScreenState, call: CallView): ScreenState {
  const others = state.calls.filter(({ view }) => view.id !== call.id);
  if (call.state === 'ended') return { ...state, calls: others, last: call };
  const isKnown = others.length < state.calls.length;
  const shown = { view: call, seenMs: state.nowMs };
  const calls = isKnown
    ? state.calls.map((known) => (known.view.id === call.id ? shown : known))
    : [...state.calls, shown];
  return { ...state, calls, last: null };
}

function withStatistics(state: ScreenState, statistics: StatisticsEvent): ScreenState {
  const { voice } = statistics;
  const isSameCall = state.quality?.call === statistics.call;
  const before = isSameCall ? state.samples : [];
  const samples = voice === null ? before : [...before, { received: voice.received, lost: voice.lost }];
  const kept = samples.slice(-LOSS_WINDOW - 1);
  return { ...state, samples: kept, quality: { ...statistics, lossPercent: lossOf(kept) } };
}

function lossOf(samples: ScreenState['samples']): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return null;
  const lost = Math.max(0, last.lost - first.lost);
  const all = lost + Math.max(0, last.received - first.received);
  return all === 0 ? null : (100 * lost) / all;
}

/** What stood on calls that are over goes with them. */
function settle(state: ScreenState): ScreenState {
  const { calls, mode, selected } = state;
  const exists = (id: number) => calls.some(({ view }) => view.id === id);
  return {
    ...state,
    selected: selected !== null && exists(selected) ? selected : null,
    mode: mode.kind === 'words' && !exists(mode.call) ? { kind: 'calls' } : mode,
    ...(calls.some(({ view }) => view.state === 'active') ? {} : { quality: null, samples: [] }),
  };
}

/** In the order in which the module has them. */
function withIdentity(identities: readonly IdentityView[], changed: IdentityView): IdentityView[] {
  const isKnown = identities.some(({ id }) => id === changed.id);
  return isKnown
    ? identities.map((identity) => (identity.id === changed.id ? changed : identity))
    : [...identities, changed];
}
