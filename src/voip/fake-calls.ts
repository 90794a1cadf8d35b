/**
 * Role: calls that only look like calls (Spec 3.3): this peer calls itself, by a pseudo-identity made for one call.
 *
 * Each goes the whole way of a real one: a record in the DHT, tunnels on both sides, look-up, handshake, ringing, voice of comfort noise, and an end
 * by one of the two. Voice goes one way only: out by the one tunnel and in by the other it is as much there as back. The pseudo-identity is
 * registered as soon as the call before is over, so that no registration tells that a call follows.
 *
 * Invariants: a real call takes the place of a fake one, which hangs up at once; one fake call at a time; nothing of it is left but
 * the registration for the next one.
 *
 * Not here: when they are and how long (fake-schedule.ts).
 */

import { randomBytes } from 'node:crypto';
import type { Clock, TimerHandle } from '../clock.js';
import { PeerError } from '../errors.js';
import { generatePseudoIdentity, type PseudoIdentity } from '../identity/pseudo-identity.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import type { Logger } from '../log.js';
import { Call, type Direction } from './call.js';
import type { ControlConnection, Voice } from './control-connection.js';
import { Conversation } from './conversation.js';
import type { Dialled } from './dialler.js';
import { drawFakeCall, type FakeCallPlan } from './fake-schedule.js';
import type { Caller } from './telephone-options.js';

/** How long its registration may take. */
const REGISTER_MS = 120_000;
const LOOK_AGAIN_MS = 1_000;
const CALL_KEY_BYTES = 16;

export interface FakeCallsOptions {
  readonly clock: Clock;
  readonly callsPerDay: number;
  /** Uniform in [0, 1), not to be guessed. */
  readonly fraction: () => number;
  /** Makes a pseudo-identity reachable; the function tells whether it is. */
  readonly publish: (identity: NamedPseudoIdentity) => () => boolean;
  /** Ends that, and all its tunnels. */
  readonly withdraw: (identity: NamedPseudoIdentity) => Promise<void>;
  readonly dial: (call: Call, local: PseudoIdentity, remote: Buffer, signal: AbortSignal) => Promise<Dialled>;
  /** The caller's voice: noise without devices. */
  readonly openVoice: (port: number) => Voice;
  /** The callee's: hears and says nothing. */
  readonly openDeafVoice: (port: number) => Voice;
  readonly ringMs: number;
  /** Whether there is a real call. */
  readonly isBusy: () => boolean;
  readonly log: Logger;
}

/** Who is to be called next. */
interface Published {
  readonly callee: NamedPseudoIdentity;
  readonly isReachable: () => boolean;
}

/** The one that goes on. */
interface Running {
  readonly callee: NamedPseudoIdentity;
  readonly caller: PseudoIdentity;
  readonly plan: FakeCallPlan;
  readonly abort: AbortController;
  readonly conversations: Conversation[];
  /** Settles when either side is over. */
  readonly over: Promise<void>;
  readonly end: () => void;
}

export class FakeCalls {
  readonly counters = { begun: 0, answered: 0, gaveWay: 0, failed: 0 };
  readonly #options: FakeCallsOptions;
  #timer: TimerHandle | null = null;
  #published: Published | null = null;
  #running: Running | null = null;
  #done: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: FakeCallsOptions) {
    this.#options = options;
    this.#plan();
  }

  /** Whether this caller has come for a fake call, which takes it then. */
  welcome({ connection, first, localPort }: Caller): boolean {
    const running = this.#running;
    // Strangers find what they find at anybody whom nobody answers (telephone.ts).
    const isOurs =
      running?.callee.publicKey.equals(connection.local) &&
      running.caller.publicKey.equals(connection.remote) &&
      !running.abort.signal.aborted;
    if (running === null || !isOurs) return false;
    const [, answering] = running.conversations;
    if (first.type === 'resume') {
      if (answering?.key !== first.call || !answering.resume(connection, first.voicePort)) connection.end();
      return true;
    }
    if (running.conversations.length !== 1) {
      connection.end();
      return true;
    }
    const { openDeafVoice, fraction } = this.#options;
    const conversation = this.#converse(running, 'incoming', connection, {
      key: first.call,
      voicePort: localPort,
      openVoice: openDeafVoice,
      reconnect: null,
    });
    conversation.ring(first.voicePort);
    this.#later(running, running.plan.ringMs, () => {
      if (!conversation.accept()) return;
      this.counters.answered += 1;
      this.#later(running, running.plan.talkMs, () => {
        const one = running.conversations[fraction() < 0.5 ? 0 : 1];
        one?.hangUp();
      });
    });
    return true;
  }

  get isGoingOn(): boolean {
    return this.#running !== null;
  }

  /** Begins one now, for measurements; what is not given is drawn. Errors: 'call-busy'. */
  begin(wanted: Partial<FakeCallPlan>): void {
    const { clock, fraction, isBusy } = this.#options;
    if (this.#running !== null || isBusy() || this.#closed)
      throw new PeerError('call-busy', 'there is a call already, fake or real');
    if (this.#timer !== null) clock.clearTimer(this.#timer);
    this.#timer = null;
    this.#start({ ...drawFakeCall(1, fraction), ...wanted });
  }

  /** A real call begins. */
  giveWay(): void {
    const running = this.#running;
    if (running === null || running.abort.signal.aborted) return;
    this.counters.gaveWay += 1;
    this.#stop(running);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) this.#options.clock.clearTimer(this.#timer);
    if (this.#running !== null) this.#stop(this.#running);
    await this.#done;
    await this.#withdraw();
  }

  #plan(): void {
    const { clock, callsPerDay, fraction } = this.#options;
    if (this.#closed || callsPerDay === 0) return;
    this.#publish();
    const plan = drawFakeCall(callsPerDay, fraction);
    this.#timer = clock.setTimer(plan.afterMs, () => {
      this.#timer = null;
      this.#start(plan);
    });
  }

  #start(plan: FakeCallPlan): void {
    this.#done = this.#run(plan).then(() => this.#plan());
  }

  /** Whoever is to be called next, registered now where there is nobody yet. */
  #publish(): Published {
    if (this.#published !== null) return this.#published;
    const name = `fake-${randomBytes(4).toString('hex')}`;
    const callee = { ...generatePseudoIdentity(), name, createdSeconds: 0 };
    this.#published = { callee, isReachable: this.#options.publish(callee) };
    return this.#published;
  }

  async #withdraw(): Promise<void> {
    const published = this.#published;
    this.#published = null;
    if (published === null) return;
    await this.#options.withdraw(published.callee);
    published.callee.secretKey.fill(0);
  }

  async #run(plan: FakeCallPlan): Promise<void> {
    const { isBusy, log } = this.#options;
    if (isBusy()) return;
    let end = () => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const { callee, isReachable } = this.#publish();
    const caller = generatePseudoIdentity();
    const running = { callee, caller, plan, abort: new AbortController(), conversations: [], over, end };
    this.#running = running;
    this.counters.begun += 1;
    try {
      await this.#until(running, isReachable, REGISTER_MS);
      await this.#call(running);
      await over;
    } catch (error) {
      if (!running.abort.signal.aborted) {
        this.counters.failed += 1;
        log.info({ err: error }, 'a fake call did not come about');
      }
    }
    this.#stop(running);
    await this.#withdraw();
    this.#running = null;
  }

  async #call(running: Running): Promise<void> {
    const { dial, openVoice } = this.#options;
    const call = this.#newCall('outgoing');
    const { connection, again } = await dial(
      call,
      running.caller,
      running.callee.publicKey,
      running.abort.signal,
    );
    if (running.abort.signal.aborted) return connection.end();
    const key = randomBytes(CALL_KEY_BYTES).toString('hex');
    // Never by a tunnel anew: that would end those of the callee's side too, which has the same pseudo-identity.
    const reconnect: Dialled['again'] = (signal) => again(signal, false);
    const parts = { key, voicePort: 0, openVoice, reconnect, call };
    this.#converse(running, 'outgoing', connection, parts).invite();
  }

  #converse(
    running: Running,
    direction: Direction,
    connection: ControlConnection,
    parts: {
      readonly key: string;
      readonly voicePort: number;
      readonly openVoice: (port: number) => Voice;
      readonly reconnect: Dialled['again'] | null;
      readonly call?: Call;
    },
  ): Conversation {
    const { clock, ringMs, log } = this.#options;
    const call = parts.call ?? this.#newCall(direction);
    const onOver = () => running.end();
    const conversation = new Conversation({ ...parts, call, connection, clock, ringMs, log, onOver });
    running.conversations.push(conversation);
    conversation.listen();
    return conversation;
  }

  /** One that nobody sees. */
  #newCall(direction: Direction): Call {
    const { clock } = this.#options;
    return new Call({ id: 0, direction, remote: '', contact: undefined, clock, onChange: () => {} });
  }

  #stop(running: Running): void {
    running.abort.abort();
    for (const conversation of running.conversations) conversation.hangUp();
    running.end();
  }

  #later(running: Running, afterMs: number, run: () => void): void {
    const timer = this.#options.clock.setTimer(afterMs, run);
    void running.over.then(() => this.#options.clock.clearTimer(timer));
  }

  /** Rejects where the call is given up meanwhile. */
  #rest(running: Running, forMs: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = running.abort;
    return new Promise((resolve, reject) => {
      const stop = () => {
        clock.clearTimer(timer);
        reject(new Error('given up'));
      };
      const timer = clock.setTimer(forMs, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  async #until(running: Running, holds: () => boolean, withinMs: number): Promise<void> {
    for (let waitedMs = 0; !holds(); waitedMs += LOOK_AGAIN_MS) {
      if (waitedMs >= withinMs) throw new Error('the pseudo-identity of a fake call could not be registered');
      await this.#rest(running, LOOK_AGAIN_MS);
    }
  }
}
