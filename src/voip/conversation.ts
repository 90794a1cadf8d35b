/**
 * Role: one call with its connection and its voice, from the first message to the last.
 *
 * Invariants: whatever ends it, connection and voice are closed once and the call has a reason; a call that has been
 * accepted outlives its control connection by up to GIVE_UP_MS, while voice goes on; messages that do not fit the state
 * are ignored.
 *
 * Not here: how connections come about (dialler.ts, entrance.ts), how they are made again (reconnection.ts), the states
 * (call.ts).
 */

import type { Clock, TimerHandle } from '../clock.js';
import type { VoiceStatistics } from '../engine/audio.js';
import type { Logger } from '../log.js';
import type { Call, EndReason } from './call.js';
import type { ControlConnection, Voice } from './control-connection.js';
import type { ControlMessage } from './control-message.js';
import { Heartbeat } from './heartbeat.js';
import { type Connect, Reconnection } from './reconnection.js';

/** How long a call waits for a control connection that is gone. */
export const GIVE_UP_MS = 45_000;
/** Nobody puts somebody on hold so often in one call; each time, a person is told. */
const MAX_HOLD_CHANGES = 500;
/** How long a caller whose call gave way to the other party's waits for that one. */
const CROSSED_MS = 30_000;

export interface ConversationOptions {
  readonly call: Call;
  /** Names the call on further connections (control-message.ts). */
  readonly key: string;
  readonly connection: ControlConnection;
  readonly clock: Clock;
  /** Binds a local UDP port; 0 lets the system choose. Throws where that cannot be. */
  readonly openVoice: (port: number) => Voice;
  /** Local UDP port for voice, the one by which the caller came in; 0, for a caller, lets the system choose. */
  readonly voicePort: number;
  readonly ringMs: number;
  /** A further connection with the other party; `null` where only the other party can make one. */
  readonly reconnect: Connect | null;
  readonly log: Logger;
  /** Called once, after everything is closed; `abandoned`: the call itself goes on. */
  readonly onOver: (abandoned: boolean) => void;
}

export interface ConversationStatistics {
  readonly roundTripMs: number | null;
  readonly voice: VoiceStatistics | null;
}

export class Conversation {
  readonly call: Call;
  readonly key: string;
  readonly #options: ConversationOptions;
  readonly #reconnection: Reconnection | null;
  #connection: ControlConnection;
  #heartbeat: Heartbeat | null = null;
  #voice: Voice | null = null;
  #remoteVoicePort: number | null = null;
  /** Ends the call: nobody answers, or nobody comes back. */
  #deadline: TimerHandle | null = null;
  #holdChanges = 0;
  #over = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.call = options.call;
    this.key = options.key;
    this.#connection = options.connection;
    this.call.setWords(options.connection.words);
    this.#reconnection =
      options.reconnect === null
        ? null
        : new Reconnection({
            clock: options.clock,
            log: options.log,
            connect: options.reconnect,
            resume: (connection) => this.#resumeOn(connection),
            onResumed: (connection, voicePort) => this.#goOnWith(connection, voicePort),
            onRefused: () => this.#end('remote-hung-up'),
          });
  }

  /** It has ended, though its voice may still be closing. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Begins to hear the other side; to be called once everything knows of this conversation. */
  listen(): void {
    this.#hear(this.#connection);
  }

  /** The caller's first message. */
  invite(): void {
    if (this.#over) return;
    const { openVoice, voicePort } = this.#options;
    this.#guarded(() => {
      this.#voice = openVoice(voicePort);
      this.#connection.send({ type: 'invite', call: this.key, voicePort: this.#voice.port });
      this.#endLater(this.#options.ringMs, 'no-answer');
    });
  }

  /** The callee has been invited; tells the caller that it rings. */
  ring(voicePort: number): void {
    if (this.#over) return;
    this.#remoteVoicePort = voicePort;
    this.#connection.send({ type: 'ringing' });
    this.#endLater(this.#options.ringMs, 'no-answer');
  }

  /** The callee's answer; `false` where there is nothing to accept. */
  accept(): boolean {
    const { call } = this;
    if (this.#over || call.direction !== 'incoming' || call.state.kind !== 'ringing') return false;
    return this.#remoteVoicePort !== null && this.#agree(this.#remoteVoicePort);
  }

  /** Both called at once and this connection, of the other party's call, is the one that counts: no need to ring. */
  agree(voicePort: number): boolean {
    return !this.#over && this.call.state.kind !== 'active' && this.#agree(voicePort);
  }

  /** The call goes on without this conversation: its connection gave way to another one. */
  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#close();
    const finish = () => this.#options.onOver(true);
    void this.#closeVoice().then(finish, finish);
  }

  decline(): boolean {
    if (this.#over || this.call.direction !== 'incoming' || this.call.state.kind !== 'ringing') return false;
    this.#connection.send({ type: 'declined' });
    this.#end('declined');
    return true;
  }

  hangUp(): void {
    if (this.#over) return;
    this.#connection.send({ type: 'hangup' });
    this.#end('hung-up');
  }

  setMuted(muted: boolean): void {
    this.#voice?.setMuted(muted);
    this.call.set({ muted });
  }

  setDevice(device: 'input' | 'output', name: string | undefined): void {
    this.#voice?.setDevice(device, name);
  }

  /** `false` where nobody has answered yet. */
  setHeld(held: boolean): boolean {
    if (this.#over || this.call.state.kind !== 'active') return false;
    if (held === this.call.conditions.held) return true;
    this.#voice?.setHeld(held);
    this.#connection.send({ type: 'hold', on: held });
    this.call.set({ held });
    return true;
  }

  /** The caller has come back on another connection; `false` where this call cannot go on with it. */
  resume(connection: ControlConnection, voicePort: number): boolean {
    const voice = this.#voice;
    if (this.#over || voice === null || this.call.state.kind !== 'active' || this.#reconnection !== null)
      return false;
    voice.receiveWith(connection.voiceKeys.receiveKey);
    connection.send({ type: 'resumed', voicePort: voice.port });
    this.#goOnWith(connection, voicePort);
    return true;
  }

  statistics(): ConversationStatistics {
    const { roundTripMs } = this.call.view();
    return { roundTripMs: roundTripMs ?? null, voice: this.#voice?.statistics() ?? null };
  }

  #hear(connection: ControlConnection): void {
    const current = () => !this.#over && this.#connection === connection;
    this.#heartbeat = new Heartbeat({
      clock: this.#options.clock,
      ping: (number) => connection.send({ type: 'ping', number }),
      onRoundTrip: (milliseconds) => this.call.noteRoundTrip(milliseconds),
      onSilent: () => {
        if (current()) this.#interrupted();
      },
    });
    connection.listen({
      onMessage: (message) => {
        if (current()) this.#receive(message);
      },
      onClose: () => {
        if (current()) this.#interrupted();
      },
    });
  }

  #receive(message: ControlMessage): void {
    const { call } = this;
    this.#heartbeat?.heard();
    const unanswered = call.direction === 'outgoing' && call.state.kind !== 'active';
    switch (message.type) {
      case 'ping':
        this.#heartbeat?.asked();
        this.#connection.send({ type: 'pong', number: message.number });
        return;
      case 'pong':
        this.#heartbeat?.answered(message.number);
        return;
      case 'hangup':
        // Before the answer, whichever side gave up waiting first.
        this.#end(call.state.kind === 'active' ? 'remote-hung-up' : 'no-answer');
        return;
      case 'hold':
        if (call.state.kind !== 'active' || message.on === call.conditions.heldByRemote) return;
        this.#holdChanges += 1;
        if (this.#holdChanges > MAX_HOLD_CHANGES) this.hangUp();
        else call.set({ heldByRemote: message.on });
        return;
      case 'ringing':
        if (unanswered) call.go({ kind: 'ringing' });
        return;
      case 'accepted':
        // Not before our invitation, which is when there is a voice port.
        if (unanswered && this.#voice !== null) this.#guarded(() => this.#startVoice(message.voicePort));
        return;
      case 'declined':
      case 'busy':
        if (unanswered) this.#end(message.type);
        return;
      case 'crossed':
        if (unanswered) this.#awaitTheirCall();
        return;
      case 'invite':
      case 'resume':
      case 'resumed':
        return;
    }
  }

  /** The callee's "talk". Callers reach no other port than `voicePort` (design 3, delivery rules). */
  #agree(remotePort: number): boolean {
    return this.#guarded(() => {
      this.#voice = this.#options.openVoice(this.#options.voicePort);
      this.#connection.send({ type: 'accepted', voicePort: this.#voice.port });
      this.#startVoice(remotePort);
    });
  }

  #startVoice(remotePort: number): void {
    const { call } = this;
    const { log } = this.#options;
    this.#clearDeadline();
    this.#remoteVoicePort = remotePort;
    const { voiceKeys, remoteAddress } = this.#connection;
    this.#voice?.start(voiceKeys, { address: remoteAddress, port: remotePort }, (event) => {
      if (event.type === 'failed') this.#end('failed', event.reason);
      else if (event.type === 'deviceLost')
        log.warn({ device: event.device, reason: event.reason }, 'no audio device');
      else if (event.type === 'deviceReady')
        log.info({ device: event.device, name: event.name }, 'audio device');
    });
    // Muted while it rang: the session has not heard of it.
    if (call.conditions.muted) this.#voice?.setMuted(true);
    call.go({ kind: 'active' });
    this.#reconnection?.renewFromNowOn();
  }

  /** The control connection is gone. What was not accepted yet ends with it. */
  #interrupted(): void {
    if (this.call.state.kind !== 'active') {
      this.#end('lost');
      return;
    }
    this.#heartbeat?.stop();
    this.#connection.end();
    if (this.call.conditions.interrupted) return;
    this.call.set({ interrupted: true });
    this.#endLater(GIVE_UP_MS, 'lost');
    this.#reconnection?.begin();
  }

  /** On a connection that a caller has made again. */
  #resumeOn(connection: ControlConnection): void {
    const voice = this.#voice;
    if (this.#over || voice === null) {
      connection.end();
      return;
    }
    // What the other party sends under the new key may come before its answer does.
    voice.receiveWith(connection.voiceKeys.receiveKey);
    connection.send({ type: 'resume', call: this.key, voicePort: voice.port });
  }

  /** Another connection takes the place of the one before, with keys of its own. */
  #goOnWith(connection: ControlConnection, voicePort: number): void {
    const voice = this.#voice;
    if (this.#over || voice === null) {
      connection.end();
      return;
    }
    const { held } = this.call.conditions;
    this.#heartbeat?.stop();
    this.#connection.end();
    this.#connection = connection;
    this.#clearDeadline();
    this.#guarded(() => {
      voice.sendWith(connection.voiceKeys.sendKey, { address: connection.remoteAddress, port: voicePort });
      // What was said about holding may have been lost with the connection.
      connection.send({ type: 'hold', on: held });
      if (this.call.conditions.interrupted) this.call.set({ interrupted: false });
      this.#hear(connection);
    });
  }

  /** The other party calls us at this moment: its call is the one that comes through (telephone.ts). */
  #awaitTheirCall(): void {
    this.#heartbeat?.stop();
    this.#connection.listen(null);
    this.#connection.end();
    this.#endLater(CROSSED_MS, 'not-reachable');
  }

  /** Runs what may fail on this machine (ports, audio); a failure ends the call. */
  #guarded(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#connection.send({ type: 'hangup' });
      this.#end('failed', (error as Error).message);
      return false;
    }
  }

  #endLater(afterMs: number, reason: EndReason): void {
    this.#clearDeadline();
    this.#deadline = this.#options.clock.setTimer(afterMs, () => {
      this.#connection.send({ type: 'hangup' });
      this.#end(reason);
    });
  }

  #clearDeadline(): void {
    if (this.#deadline !== null) this.#options.clock.clearTimer(this.#deadline);
    this.#deadline = null;
  }

  #end(reason: EndReason, detail?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#close();
    const finish = () => {
      this.call.go({ kind: 'ended', reason, ...(detail === undefined ? {} : { detail }) });
      this.#options.onOver(false);
    };
    void this.#closeVoice().then(finish, finish);
  }

  #close(): void {
    this.#clearDeadline();
    this.#heartbeat?.stop();
    this.#reconnection?.stop();
    this.#connection.end();
  }

  async #closeVoice(): Promise<void> {
    const voice = this.#voice;
    this.#voice = null;
    await voice?.close();
  }
}
