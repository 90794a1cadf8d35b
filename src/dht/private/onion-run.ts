/**
 * One onion of ours, from sending it to the last of its replies.
 *
 * Invariants: contents count only from the exit; each reply once, in any order; an onion of which nothing is heard in
 * time has failed, though what still comes of it is taken; `close` ends it for good.
 * Not here: which path (paths.ts), what follows from what it brought (private-get.ts, private-put.ts).
 */
import type { Contact } from '../contact.js';
import type { TimerHandle } from '../environment.js';
import type { Network } from '../network.js';
import { decodeExitReply, type ExitRequest, encodeExitRequest } from './exit-message.js';
import type { Legs } from './legs.js';
import { type Onion, openReply, type Reply, slotAt, wrapOnion } from './onion.js';
import type { OnionCipher } from './onion-cipher.js';
import type { OnionDelays } from './onion-delays.js';

/** What a whole run came to. */
export interface RunOutcome {
  readonly ended: boolean;
  readonly fault: Fault | null;
  readonly stored: number;
}

/** Where an onion failed. */
export type Fault =
  /** The first hop did not take it. */
  | { readonly kind: 'first' }
  /** The first hop has no room for it now, which is no fault of its. */
  | { readonly kind: 'busy' }
  /** A hop (0 = the first) says that the next one did not take it. */
  | { readonly kind: 'behind'; readonly hop: number }
  /** Nothing was heard. */
  | { readonly kind: 'silent' }
  /** Our own fault, or nobody's: no room, or a key that is none. */
  | { readonly kind: 'own' };

export type RunState = 'sent' | 'begun' | 'ended' | 'failed';

export interface RunParts {
  readonly network: Network;
  readonly cipher: OnionCipher;
  readonly legs: Legs;
  readonly delays: OnionDelays;
  /** What to end at once when the node closes. */
  readonly open: Set<() => void>;
  /** Comes once at most for a run. */
  readonly onFault: (path: readonly Contact[], fault: Fault) => void;
  /** The exit has been heard. */
  readonly onWorks: (path: readonly Contact[]) => void;
}

export interface RunCallbacks {
  readonly onContent?: (content: Buffer) => void;
  /** The state has changed. */
  readonly onState: (state: RunState) => void;
}

const MAX_REPLIES = 4_096;

export class OnionRun {
  #state: RunState = 'sent';
  #stored = 0;
  #onion: Onion | null = null;
  #endLeg: (() => void) | null = null;
  #timer: TimerHandle | null = null;
  #sentAtMs = 0;
  #taken = false;
  #received = 0;
  /** Replies in all, once known. */
  #total = Number.POSITIVE_INFINITY;
  #fault: Fault | null = null;
  #closed = false;

  constructor(
    readonly parts: RunParts,
    readonly path: readonly Contact[],
    readonly callbacks: RunCallbacks,
  ) {}

  get state(): RunState {
    return this.#state;
  }

  /** Why nothing was heard in time; null where it was. */
  get fault(): Fault | null {
    return this.#fault;
  }

  /** Nodes that took the content of a PUT, as the exit says; 0 before the end. */
  get stored(): number {
    return this.#stored;
  }

  start(request: ExitRequest): this {
    const { network, cipher, legs, delays } = this.parts;
    const { clock, random, counters } = network.parts;
    const payload = encodeExitRequest(request);
    this.#onion = wrapOnion(cipher, random, this.path, payload, slotAt(network.now));
    const [first] = this.path;
    if (!this.#onion || !first) {
      this.#timer = clock.setTimer(0, () => this.#fail({ kind: 'own' }));
      return this;
    }
    counters.add(request.kind === 'probe' ? 'onionsProbing' : 'onionsMade');
    this.#sentAtMs = network.now;
    const { bytes } = this.#onion;
    this.#endLeg = legs.forward(first, bytes, {
      onVerdict: (verdict) => {
        this.#taken = verdict === 'taken';
        if (!this.#taken) this.#fail({ kind: verdict === 'busy' ? 'busy' : 'first' });
      },
      onReply: (reply) => this.#onReply(reply),
    });
    const waitMs = this.#endLeg ? delays.timeoutMs(bytes.length) : 0;
    this.#timer = clock.setTimer(waitMs, () => {
      if (!this.#endLeg) this.#fail({ kind: 'own' });
      else this.#fail({ kind: this.#taken ? 'silent' : 'first' });
    });
    return this;
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#endLeg?.();
  }

  #stopTimer(): void {
    if (this.#timer) this.parts.network.parts.clock.clearTimer(this.#timer);
    this.#timer = null;
  }

  #setState(state: RunState): void {
    if (this.#state === state || this.#closed) return;
    this.#state = state;
    this.callbacks.onState(state);
  }

  #fail(fault: Fault): void {
    if (this.#closed || this.#fault || this.#state !== 'sent') return;
    this.#stopTimer();
    this.#fault = fault;
    this.parts.network.parts.counters.add('onionsFailed');
    this.parts.onFault(this.path, fault);
    this.#setState('failed');
  }

  #onReply(reply: Reply): void {
    if (this.#closed || !this.#onion || this.#state === 'ended') return;
    const { cipher, network, delays, onWorks } = this.parts;
    const opened = openReply(cipher, this.#onion.layers, reply);
    const message = opened && decodeExitReply(opened.plaintext);
    if (!opened || !message || opened.index >= MAX_REPLIES) {
      network.parts.counters.add('dropReply');
      return;
    }
    if (message.failed) {
      if (opened.hop < this.path.length - 1) this.#fail({ kind: 'behind', hop: opened.hop });
      return;
    }
    if (opened.hop !== this.path.length - 1) {
      network.parts.counters.add('dropReply');
      return;
    }
    if (this.#state === 'sent') {
      this.#stopTimer();
      delays.sample(network.now - this.#sentAtMs, this.#onion.bytes.length);
      onWorks(this.path);
    }
    this.#received += 1;
    this.#stored = Math.max(this.#stored, message.stored);
    if (message.end) this.#total = opened.index + 1;
    for (const content of message.contents) {
      if (!this.#closed) this.callbacks.onContent?.(content);
    }
    if (this.#received >= this.#total) {
      this.#setState('ended');
      this.#endLeg?.();
    } else this.#setState('begun');
  }
}

/** One onion by itself: resolves when all replies are here, when it has failed, or after `boundMs`. Never rejects. */
export function runOnion(
  parts: RunParts,
  path: readonly Contact[],
  request: ExitRequest,
  boundMs: number,
  onContent: (content: Buffer) => void = () => {},
): Promise<RunOutcome> {
  return new Promise((resolve) => {
    const { clock } = parts.network.parts;
    const finish = () => {
      parts.open.delete(finish);
      clock.clearTimer(bound);
      run.close();
      resolve({ ended: run.state === 'ended', fault: run.fault, stored: run.stored });
    };
    const bound = clock.setTimer(boundMs, finish);
    parts.open.add(finish);
    const run: OnionRun = new OnionRun(parts, path, {
      onContent,
      onState: (state) => {
        if (state === 'ended' || state === 'failed') finish();
      },
    });
    run.start(request);
  });
}
