/**
 * Role: one call with its connection and its voice, from the first message to the last.
 *
 * Invariants: whatever ends it, connection and voice are closed once and the call has a reason; a silent other side is
 * noticed within LOST_AFTER_MS; messages that do not fit the state are ignored.
 *
 * Not here: how the connection came about (telephone.ts), the states (call.ts).
 */

import type { VoipConfig } from '../config/config.js';
import type { VoiceStatistics } from '../engine/audio.js';
import type { Logger } from '../log.js';
import type { Call, EndReason } from './call.js';
import type { ControlChannel } from './control-channel.js';
import type { ControlMessage } from './control-message.js';
import { Media } from './media.js';

const PING_EVERY_MS = 1_000;
const LOST_AFTER_MS = 15_000;

export interface ConversationOptions {
  readonly call: Call;
  readonly channel: ControlChannel;
  readonly config: VoipConfig;
  /** Address of the TUN device. */
  readonly localAddress: string;
  /** Local UDP port for voice, the one by which the caller came in; 0, for a caller, lets the system choose. */
  readonly voicePort: number;
  readonly log: Logger;
  /** Called once, after everything is closed. */
  readonly onOver: () => void;
}

export interface ConversationStatistics {
  readonly roundTripMs: number | null;
  readonly voice: VoiceStatistics | null;
}

export class Conversation {
  readonly call: Call;
  readonly #options: ConversationOptions;
  #media: Media | null = null;
  #remoteVoicePort: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #ringTimer: NodeJS.Timeout | null = null;
  #lastHeardAt = performance.now();
  #pings = new Map<number, number>();
  #nextPing = 1;
  #over = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.call = options.call;
    this.#timer = setInterval(() => this.#tick(), PING_EVERY_MS);
  }

  /** Begins to hear the other side; to be called once everything knows of this conversation. */
  listen(): void {
    this.#options.channel.listen({
      onMessage: (message) => this.#receive(message),
      onClose: () => this.#end('lost'),
    });
  }

  /** The caller's first message. */
  invite(): void {
    if (this.#over) return;
    const { config, localAddress, voicePort, channel } = this.#options;
    this.#guarded(() => {
      this.#media = new Media(config, localAddress, voicePort);
      channel.send({ type: 'invite', voicePort: this.#media.port });
      this.#startRingTimer('no-answer');
    });
  }

  /** The callee has been invited; tells the caller that it rings. */
  ring(voicePort: number): void {
    if (this.#over) return;
    this.#remoteVoicePort = voicePort;
    this.#options.channel.send({ type: 'ringing' });
    this.#startRingTimer('no-answer');
  }

  /** The callee's answer; `false` where there is nothing to accept. */
  accept(): boolean {
    const { config, localAddress, voicePort, channel, call } = this.#options;
    if (this.#over || call.direction !== 'incoming' || call.state.kind !== 'ringing') return false;
    const remotePort = this.#remoteVoicePort;
    if (remotePort === null) return false;
    return this.#guarded(() => {
      // Callers reach no other port than this one (design 3, delivery rules).
      this.#media = new Media(config, localAddress, voicePort);
      channel.send({ type: 'accepted', voicePort: this.#media.port });
      this.#startVoice(remotePort);
    });
  }

  decline(): boolean {
    if (this.#over || this.call.direction !== 'incoming' || this.call.state.kind !== 'ringing') return false;
    this.#options.channel.send({ type: 'declined' });
    this.#end('declined');
    return true;
  }

  hangUp(): void {
    if (this.#over) return;
    this.#options.channel.send({ type: 'hangup' });
    this.#end('hung-up');
  }

  setMuted(muted: boolean): void {
    this.#media?.setMuted(muted);
    this.call.setMuted(muted);
  }

  statistics(): ConversationStatistics {
    const { roundTripMs } = this.call.view();
    return { roundTripMs: roundTripMs ?? null, voice: this.#media?.statistics() ?? null };
  }

  #receive(message: ControlMessage): void {
    if (this.#over) return;
    const { call, channel } = this.#options;
    this.#lastHeardAt = performance.now();
    const outgoing = call.direction === 'outgoing';
    switch (message.type) {
      case 'ping':
        channel.send({ type: 'pong', number: message.number });
        return;
      case 'pong':
        this.#notePong(message.number);
        return;
      case 'hangup':
        // Before the answer, whichever side gave up waiting first.
        this.#end(call.state.kind === 'active' ? 'remote-hung-up' : 'no-answer');
        return;
      case 'ringing':
        if (outgoing) call.go({ kind: 'ringing' });
        return;
      case 'accepted':
        // Not before our invitation, which is when there is a voice port.
        if (outgoing && this.#media !== null && call.state.kind !== 'active')
          this.#guarded(() => this.#startVoice(message.voicePort));
        return;
      case 'declined':
      case 'busy':
        if (outgoing && call.state.kind !== 'active') this.#end(message.type);
        return;
      case 'invite':
        return;
    }
  }

  #startVoice(remotePort: number): void {
    const { channel, call, log } = this.#options;
    if (this.#ringTimer !== null) clearTimeout(this.#ringTimer);
    const remote = { address: channel.remoteAddress, port: remotePort };
    this.#media?.start(channel.voiceKeys, remote, (event) => {
      if (event.type === 'failed') this.#end('failed', event.reason);
      else if (event.type === 'deviceLost')
        log.warn({ device: event.device, reason: event.reason }, 'no audio device');
      else if (event.type === 'deviceReady')
        log.info({ device: event.device, name: event.name }, 'audio device');
    });
    // Muted while it rang: the session has not heard of it.
    if (call.muted) this.#media?.setMuted(true);
    call.go({ kind: 'active' });
  }

  /** Runs what may fail on this machine (ports, audio); a failure ends the call. */
  #guarded(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#options.channel.send({ type: 'hangup' });
      this.#end('failed', (error as Error).message);
      return false;
    }
  }

  #startRingTimer(reason: EndReason): void {
    const { config, channel } = this.#options;
    this.#ringTimer = setTimeout(() => {
      channel.send({ type: 'hangup' });
      this.#end(reason);
    }, config.ringSeconds * 1000);
  }

  #tick(): void {
    if (performance.now() - this.#lastHeardAt > LOST_AFTER_MS) {
      this.#end('lost');
      return;
    }
    const number = this.#nextPing;
    this.#nextPing = (this.#nextPing + 1) >>> 0;
    this.#pings.set(number, performance.now());
    for (const [old] of this.#pings) if (this.#pings.size > 8) this.#pings.delete(old);
    this.#options.channel.send({ type: 'ping', number });
  }

  #notePong(number: number): void {
    const sentAt = this.#pings.get(number);
    if (sentAt === undefined) return;
    this.#pings.delete(number);
    this.call.noteRoundTrip(performance.now() - sentAt);
  }

  #end(reason: EndReason, detail?: string): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#ringTimer !== null) clearTimeout(this.#ringTimer);
    this.#options.channel.end();
    const finish = () => {
      this.call.go({ kind: 'ended', reason, ...(detail === undefined ? {} : { detail }) });
      this.#options.onOver();
    };
    const media = this.#media;
    this.#media = null;
    if (media === null) finish();
    else void media.close().then(finish, finish);
  }
}
