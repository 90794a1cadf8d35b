/**
 * Role: the states of one call and the ways between them.
 *
 * Invariants: only the transitions of the table happen; an ended call never changes again; every end has a reason that
 * a person understands.
 *
 * Not here: connections and audio (telephone.ts).
 */

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
  'looking-up': ['building', 'ended'],
  building: ['connecting', 'ended'],
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

export interface CallView {
  readonly id: number;
  readonly direction: 'incoming' | 'outgoing';
  /** The other party's pseudo-identity as text. */
  readonly remote: string;
  readonly contact?: string;
  readonly state: CallState['kind'];
  readonly reason?: EndReason;
  readonly detail?: string;
  readonly muted: boolean;
  /** From dialling to ringing at the other side, and to the answer. */
  readonly ringingAfterMs?: number;
  readonly answeredAfterMs?: number;
  /** Over the control connection, the latest and the lowest. */
  readonly roundTripMs?: number;
  readonly lowestRoundTripMs?: number;
}

export class Call {
  readonly id: number;
  readonly direction: 'incoming' | 'outgoing';
  readonly remote: string;
  readonly contact: string | undefined;
  readonly #startedAt = performance.now();
  readonly #onChange: (call: Call) => void;
  #state: CallState;
  #ringingAfterMs: number | undefined;
  #answeredAfterMs: number | undefined;
  #roundTripMs: number | undefined;
  #lowestRoundTripMs: number | undefined;
  #muted = false;

  constructor(options: {
    readonly id: number;
    readonly direction: 'incoming' | 'outgoing';
    readonly remote: string;
    readonly contact: string | undefined;
    readonly onChange: (call: Call) => void;
  }) {
    this.id = options.id;
    this.direction = options.direction;
    this.remote = options.remote;
    this.contact = options.contact;
    this.#onChange = options.onChange;
    this.#state = options.direction === 'outgoing' ? { kind: 'looking-up' } : { kind: 'ringing' };
    this.#onChange(this);
  }

  get state(): CallState {
    return this.#state;
  }

  get muted(): boolean {
    return this.#muted;
  }

  /** Goes on to `state`; `false`, and nothing happens, where the table has no such way. */
  go(state: CallState): boolean {
    if (!NEXT[this.#state.kind].includes(state.kind)) return false;
    this.#state = state;
    const sinceStart = Math.round(performance.now() - this.#startedAt);
    if (state.kind === 'ringing') this.#ringingAfterMs = sinceStart;
    if (state.kind === 'active') this.#answeredAfterMs = sinceStart;
    this.#onChange(this);
    return true;
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#onChange(this);
  }

  /** One measurement, in milliseconds. */
  noteRoundTrip(milliseconds: number): void {
    this.#roundTripMs = milliseconds;
    this.#lowestRoundTripMs = Math.min(milliseconds, this.#lowestRoundTripMs ?? Number.POSITIVE_INFINITY);
  }

  view(): CallView {
    const { id, direction, remote, contact } = this;
    const state = this.#state;
    return {
      id,
      direction,
      remote,
      ...(contact === undefined ? {} : { contact }),
      state: state.kind,
      ...(state.kind === 'ended' ? { reason: state.reason } : {}),
      ...(state.kind === 'ended' && state.detail !== undefined ? { detail: state.detail } : {}),
      muted: this.#muted,
      ...(this.#ringingAfterMs === undefined ? {} : { ringingAfterMs: this.#ringingAfterMs }),
      ...(this.#answeredAfterMs === undefined ? {} : { answeredAfterMs: this.#answeredAfterMs }),
      ...(this.#roundTripMs === undefined ? {} : { roundTripMs: round(this.#roundTripMs) }),
      ...(this.#lowestRoundTripMs === undefined ? {} : { lowestRoundTripMs: round(this.#lowestRoundTripMs) }),
    };
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
