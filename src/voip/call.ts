/**
 * Role: one call as a person sees it: its states, the ways between them, and what is so meanwhile (muted, held, interrupted).
 *
 * Invariants: only the transitions of the table happen; an ended call never changes again; every end has a reason that
 * a person understands.
 *
 * Not here: connections and audio (conversation.ts), which calls there are (telephone.ts).
 */

import type { Clock } from '../clock.js';
import { definedOnly } from '../defined-only.js';

export type Direction = 'incoming' | 'outgoing';

export type EndReason =
  | 'hung-up'
  | 'remote-hung-up'
  | 'declined'
  | 'busy'
  | 'no-answer'
  | 'unknown-identity'
  | 'not-reachable'
  | 'lost'
  | 'failed';

export type CallState =
  | { readonly kind: 'looking-up' }
  | { readonly kind: 'building' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'ringing' }
  | { readonly kind: 'active' }
  | { readonly kind: 'ended'; readonly reason: EndReason; readonly detail?: string };

const NEXT: Readonly<Record<CallState['kind'], readonly CallState['kind'][]>> = {
  // From anywhere before the answer to `active`: both called at once, and the other one's call came through.
  'looking-up': ['building', 'active', 'ended'],
  building: ['connecting', 'active', 'ended'],
  connecting: ['ringing', 'active', 'ended'],
  ringing: ['active', 'ended'],
  active: ['ended'],
  ended: [],
};

/** What is told to a person. */
export const END_TEXT: Readonly<Record<EndReason, string>> = {
  'hung-up': 'hung up',
  'remote-hung-up': 'the other party hung up',
  declined: 'the call was declined',
  busy: 'the other party is busy',
  'no-answer': 'nobody answered',
  'unknown-identity': 'nobody can be found under this identity; is it right, and is its owner online?',
  'not-reachable': 'the other party could not be reached; try again in a minute',
  lost: 'the connection was lost',
  failed: 'the call failed on this side',
};

/** What may change while a call goes on. */
export interface CallConditions {
  readonly muted: boolean;
  /** We have put the other party on hold. */
  readonly held: boolean;
  /** The other party has put us on hold. */
  readonly heldByRemote: boolean;
  /** The control connection is being made again; voice may go on meanwhile. */
  readonly interrupted: boolean;
}

export interface CallView extends CallConditions {
  readonly id: number;
  readonly direction: Direction;
  /** The other party's pseudo-identity as text. */
  readonly remote: string;
  readonly contact?: string;
  /** Name of our pseudo-identity that calls or is called. */
  readonly identity?: string;
  readonly state: CallState['kind'];
  readonly reason?: EndReason;
  readonly detail?: string;
  /** Both parties see the same, if nobody stands between them; once there is a connection. */
  readonly words?: string;
  /** From dialling to ringing at the other side, and to the answer. */
  readonly ringingAfterMs?: number;
  readonly answeredAfterMs?: number;
  /** How long the two have talked, or had when the call ended. */
  readonly talkedMs?: number;
  /** Over the control connection, the latest and the lowest. */
  readonly roundTripMs?: number;
  readonly lowestRoundTripMs?: number;
}

export interface CallOptions {
  readonly id: number;
  readonly direction: Direction;
  readonly remote: string;
  readonly contact: string | undefined;
  readonly identity?: string;
  readonly clock: Clock;
  readonly onChange: (call: Call) => void;
}

export class Call {
  readonly #options: CallOptions;
  readonly #startedAt: number;
  #state: CallState;
  #conditions: CallConditions = { muted: false, held: false, heldByRemote: false, interrupted: false };
  #words: string | undefined;
  #ringingAfterMs: number | undefined;
  #answeredAfterMs: number | undefined;
  #talkedMs: number | undefined;
  #roundTripMs: number | undefined;
  #lowestRoundTripMs: number | undefined;

  constructor(options: CallOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#state = options.direction === 'outgoing' ? { kind: 'looking-up' } : { kind: 'ringing' };
    options.onChange(this);
  }

  get id(): number {
    return this.#options.id;
  }

  get direction(): Direction {
    return this.#options.direction;
  }

  get remote(): string {
    return this.#options.remote;
  }

  get state(): CallState {
    return this.#state;
  }

  get conditions(): CallConditions {
    return this.#conditions;
  }

  get isOver(): boolean {
    return this.#state.kind === 'ended';
  }

  /** It has a microphone and is heard. */
  get isSpeaking(): boolean {
    return this.#state.kind === 'active' && !this.#conditions.held;
  }

  /** Goes on to `state`; `false`, and nothing happens, where the table has no such way. */
  go(state: CallState): boolean {
    if (!NEXT[this.#state.kind].includes(state.kind)) return false;
    const sinceStart = this.#options.clock.now() - this.#startedAt;
    if (state.kind === 'ringing') this.#ringingAfterMs = sinceStart;
    if (state.kind === 'active') this.#answeredAfterMs = sinceStart;
    if (state.kind === 'ended' && this.#answeredAfterMs !== undefined)
      this.#talkedMs = sinceStart - this.#answeredAfterMs;
    this.#state = state;
    this.#options.onChange(this);
    return true;
  }

  /** Changes some of the conditions; an ended call stays as it was. */
  set(changes: Partial<CallConditions>): void {
    if (this.isOver) return;
    this.#conditions = { ...this.#conditions, ...changes };
    this.#options.onChange(this);
  }

  /** There is a connection: what both can compare. */
  setWords(words: string): void {
    this.#words = words;
  }

  /** One measurement, in milliseconds. */
  noteRoundTrip(milliseconds: number): void {
    this.#roundTripMs = milliseconds;
    this.#lowestRoundTripMs = Math.min(milliseconds, this.#lowestRoundTripMs ?? Number.POSITIVE_INFINITY);
  }

  view(): CallView {
    const { id, direction, remote, contact, identity, clock } = this.#options;
    const state = this.#state;
    const talkedMs =
      state.kind === 'active' ? clock.now() - this.#startedAt - (this.#answeredAfterMs ?? 0) : this.#talkedMs;
    return {
      id,
      direction,
      remote,
      state: state.kind,
      ...this.#conditions,
      ...definedOnly({
        contact,
        identity,
        reason: state.kind === 'ended' ? state.reason : undefined,
        detail: state.kind === 'ended' ? state.detail : undefined,
        words: this.#words,
        ringingAfterMs: whole(this.#ringingAfterMs),
        answeredAfterMs: whole(this.#answeredAfterMs),
        talkedMs: whole(talkedMs),
        roundTripMs: tenths(this.#roundTripMs),
        lowestRoundTripMs: tenths(this.#lowestRoundTripMs),
      }),
    };
  }
}

function whole(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds);
}

function tenths(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 10) / 10;
}
