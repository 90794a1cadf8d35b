/**
 * Role: which tone a person hears: that somebody calls, that it rings at the other side, that it did not come about.
 *
 * Invariants: one tone at a time; a call that speaks is disturbed by no more than a soft knock; nobody hears of callers who are left
 * to ring (caller-rules.ts), as they are no calls here; that a tone cannot be played never touches a call.
 *
 * Not here: samples (the engine).
 */

import type { VoipConfig } from '../config/config.js';
import { type PlayedTone, playTone, type ToneName, type ToneSettings } from '../engine/tones.js';
import type { Logger } from '../log.js';
import type { CallView, EndReason } from './call.js';

/** How long a person hears that a call has not come about. */
const END_MS = 3_000;

export interface TonesOptions {
  readonly config: Pick<VoipConfig, 'tones' | 'audioServer' | 'ringDevice' | 'ringSeconds'>;
  /** The loudspeaker of calls; `null`: the default one. */
  readonly loudspeaker: () => string | null;
  readonly log: Logger;
  /** Another way than by the engine. */
  readonly play?: (tone: ToneName, settings: ToneSettings) => PlayedTone;
}

export class Tones {
  readonly #options: TonesOptions;
  /** Calls that are not over, by number. */
  readonly #calls = new Map<number, CallView>();
  #playing: { readonly name: ToneName; readonly tone: PlayedTone } | null = null;
  /** What to tell of the last end. */
  #ending: ToneName | null = null;
  #pending = false;

  constructor(options: TonesOptions) {
    this.#options = options;
  }

  /** A call has changed. */
  changed(call: CallView): void {
    const before = this.#calls.get(call.id);
    if (call.state === 'ended') this.#calls.delete(call.id);
    else this.#calls.set(call.id, call);
    if (call.state === 'ended') this.#ending = endTone(call, before);
    // Not before all that happens now has happened: a call that is accepted at once rings for nobody.
    if (this.#pending) return;
    this.#pending = true;
    setImmediate(() => {
      this.#pending = false;
      this.#update();
    });
  }

  close(): void {
    this.#calls.clear();
    this.#stop();
  }

  #update(): void {
    const ending = this.#ending;
    this.#ending = null;
    const name = currentTone([...this.#calls.values()]) ?? (this.#calls.size === 0 ? ending : null);
    // What tells of an end goes on to its own.
    if (name === null && this.#calls.size === 0 && isEndTone(this.#playing?.name)) return;
    if (name === this.#playing?.name && !isEndTone(name)) return;
    this.#stop();
    if (name !== null) this.#start(name);
  }

  #start(name: ToneName): void {
    const { config, loudspeaker, log, play = playTone } = this.#options;
    if (!config.tones) return;
    const device = name === 'ring' ? (config.ringDevice ?? loudspeaker()) : loudspeaker();
    try {
      const tone = play(name, {
        server: config.audioServer,
        mostMs: isEndTone(name) ? END_MS : config.ringSeconds * 1_000,
        ...(device === null ? {} : { device }),
      });
      this.#playing = { name, tone };
    } catch (error) {
      log.warn({ err: error }, 'a tone cannot be played');
    }
  }

  #stop(): void {
    this.#playing?.tone.stop();
    this.#playing = null;
  }
}

function currentTone(calls: readonly CallView[]): ToneName | null {
  const isActive = calls.some(({ state }) => state === 'active');
  const rings = (direction: CallView['direction']) =>
    calls.some((call) => call.state === 'ringing' && call.direction === direction);
  if (rings('incoming')) return isActive ? 'waiting' : 'ring';
  return rings('outgoing') ? 'ringback' : null;
}

/** `before`: as the call was until now. */
function endTone({ direction, reason }: CallView, before: CallView | undefined): ToneName | null {
  const wasActive = before?.state === 'active';
  if (reason === 'lost' && wasActive) return 'failure';
  if (direction !== 'outgoing' || wasActive || reason === undefined) return null;
  return UNANSWERED[reason];
}

const UNANSWERED: Readonly<Record<EndReason, ToneName | null>> = {
  'hung-up': null,
  'remote-hung-up': 'busy',
  declined: 'busy',
  busy: 'busy',
  'no-answer': 'failure',
  'unknown-identity': 'failure',
  'not-reachable': 'failure',
  lost: 'failure',
  failed: 'failure',
};

function isEndTone(name: ToneName | null | undefined): boolean {
  return name === 'busy' || name === 'failure';
}
