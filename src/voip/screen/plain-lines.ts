/**
 * Role: the screen where there is no terminal: a line for each change.
 *
 * Not here: what the changes are (screen-state.ts), levels and quality, which change all the time (`peer status`).
 */

import type { LoggedCall } from '../call-log.js';
import { describeCall } from '../call-text.js';
import type { ScreenState, ShownCall } from './screen-state.js';

export interface PlainLine {
  readonly event: 'module' | 'identity' | 'call' | 'missed' | 'notice';
  readonly data: unknown;
  readonly text: string;
}

/** What a person is to be told of the way from one state to the next. */
export function plainLines(after: ScreenState, before: ScreenState): PlainLine[] {
  return [...linkLines(after, before), ...identityLines(after, before), ...callLines(after, before)].concat(
    missedLines(after, before),
    after.notice === null || after.notice === before.notice
      ? []
      : [{ event: 'notice', data: after.notice, text: after.notice }],
  );
}

function linkLines(after: ScreenState, before: ScreenState): PlainLine[] {
  if (after.link === before.link && after.awayText === before.awayText) return [];
  const text = after.link === 'up' ? 'connected to the VoIP module' : after.awayText;
  return [{ event: 'module', data: after.link, text }];
}

function identityLines(after: ScreenState, before: ScreenState): PlainLine[] {
  if (after.identities === before.identities) return [];
  return after.identities
    .filter(({ id, state }) => !before.identities.some((known) => known.id === id && known.state === state))
    .map((identity) => ({ event: 'identity', data: identity, text: `${identity.name}: ${identity.state}` }));
}

function callLines({ calls, last }: ScreenState, before: ScreenState): PlainLine[] {
  const said = (shown: ShownCall) => describeCall(shown.view);
  const changed = calls
    .filter(
      (shown) =>
        !before.calls.some(
          ({ view, ...rest }) => view.id === shown.view.id && said({ view, ...rest }) === said(shown),
        ),
    )
    .map(({ view }) => view);
  const isNewlyOver = last !== null && before.calls.some(({ view }) => view.id === last.id);
  return [...(isNewlyOver ? [last] : []), ...changed].map((call) => ({
    event: 'call',
    data: call,
    text: `call ${call.id}: ${describeCall(call)}`,
  }));
}

function missedLines(after: ScreenState, before: ScreenState): PlainLine[] {
  const same = (one: LoggedCall, other: LoggedCall) =>
    one.endedSeconds === other.endedSeconds && one.remote === other.remote;
  return after.missed
    .filter((call) => !before.missed.some((known) => same(known, call)))
    .map((call) => ({
      event: 'missed',
      data: call,
      text: `missed a call from ${call.contact ?? call.remote}`,
    }));
}
