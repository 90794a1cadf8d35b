/**
 * Role: what a call needs of its control connection and of its voice, whatever carries them.
 *
 * Production gives ControlChannel (control-channel.ts) and Media (media.ts); simulations give stand-ins in virtual time.
 */

import type { VoiceCallEvent, VoiceStatistics } from '../engine/audio.js';
import type { ControlMessage } from './control-message.js';

/** What SRTP is keyed with: 16 bytes of key, 12 of salt, for each direction. */
export interface VoiceKeys {
  readonly sendKey: Buffer;
  readonly receiveKey: Buffer;
}

/** Who hears what arrives. */
export interface Listener {
  readonly onMessage: (message: ControlMessage) => void;
  /** Called once, when the connection is gone. */
  readonly onClose: () => void;
}

/** An encrypted connection between two pseudo-identities that have proven themselves. */
export interface ControlConnection {
  /** The other party's pseudo-identity. */
  readonly remote: Buffer;
  /** Ours. */
  readonly local: Buffer;
  readonly voiceKeys: VoiceKeys;
  /** Words that both parties see alike, unless somebody stands between them. */
  readonly words: string;
  /** The address that stands for the other party. */
  readonly remoteAddress: string;
  /** Nothing happens after the end. */
  send(message: ControlMessage): void;
  /** Sends what is queued and closes; what still arrives is not heard. */
  end(): void;
  /** `null`: what arrives waits (a few messages; more end the connection). */
  listen(listener: Listener | null): void;
}

export interface VoiceTarget {
  readonly address: string;
  readonly port: number;
}

/** One call's voice: a port from the beginning, sound from `start` to `close`. */
export interface Voice {
  /** Local UDP port. */
  readonly port: number;
  /** Begins to send and to play; keys are wiped. */
  start(keys: VoiceKeys, remote: VoiceTarget, onEvent: (event: VoiceCallEvent) => void): void;
  /** Hears the other party also under this key, from now on; the key before counts until this one is used. Wiped. */
  receiveWith(key: Buffer): void;
  /** Sends under this key to this place from now on. Wiped. */
  sendWith(key: Buffer, remote: VoiceTarget): void;
  /** Comfort noise instead of the microphone. */
  setMuted(muted: boolean): void;
  /** Comfort noise instead of the microphone, and silence instead of the other party. */
  setHeld(held: boolean): void;
  /** Another microphone or loudspeaker from now on; without a name the system's default. */
  setDevice(device: 'input' | 'output', name: string | undefined): void;
  statistics(): VoiceStatistics | undefined;
  close(): Promise<unknown>;
}
