/**
 * The voice of a call: microphone to network to loudspeaker, all of it in threads of the addon.
 *
 * A `VoiceLine` owns a UDP socket from its opening (its port is told to the other party before keys are known) and a
 * session between `start` and `close`. Whatever devices, network or the other party do, one packet of one size leaves
 * every 20 ms. Not in it: who is called, keys, ring tones.
 */

import { randomBytes, randomInt } from 'node:crypto';
import type { AudioDevice, VoiceCall, VoiceCallEvent, VoiceStatistics } from '../../native/binding.js';
import { PeerError } from '../errors.js';
import { addon } from './addon.js';

export type { AudioDevice, VoiceCallEvent, VoiceStatistics };

/** Bytes of a key: 16 of AES-128 key, 12 of salt (RFC 7714). */
export const VOICE_KEY_BYTES = 28;

/** Opus bit rate in bit/s where nothing else is configured. */
export const DEFAULT_BITRATE = 48_000;

/** PulseAudio's protocol or PipeWire itself. */
export type SoundServer = 'auto' | 'pulse' | 'pipewire';

/** How a call's voice is carried. */
export interface VoiceSettings {
  /** Where packets go; absent: to where the first authentic packet comes from. */
  readonly remote?: { readonly address: string; readonly port: number };
  /** `VOICE_KEY_BYTES`; wiped by `start`. */
  readonly sendKey: Uint8Array;
  /** `VOICE_KEY_BYTES`; wiped by `start`. */
  readonly receiveKey: Uint8Array;
  /** RTP source of what is sent, another than the other party's. */
  readonly sendSsrc: number;
  /** Bit/s, 16 000 to 64 000; both parties the same, or the packets of the two directions differ in size. */
  readonly bitrate?: number;
  /** Which sound server; `auto` if absent: PipeWire itself where it is the sound server and its backend is there. */
  readonly server?: SoundServer;
  /** Names as `listAudioDevices` gives them; absent: the sound server's defaults. */
  readonly input?: string;
  readonly output?: string;
  /** Whether echo, noise and level are seen to (the default); off for a headset, which saves their delay. */
  readonly processing?: boolean;
  /** Without devices: comfort noise goes out, nothing is heard. */
  readonly silent?: boolean;
}

export type VoiceErrorCode = 'VOICE_ARGUMENT' | 'VOICE_SOCKET' | 'VOICE_START' | 'AUDIO_SERVER';

/** One call's voice. */
export class VoiceLine {
  private constructor(private readonly call: VoiceCall) {}

  /**
   * Binds a UDP socket.
   *
   * @param port 0 lets the system choose
   * @throws PeerError `VOICE_ARGUMENT`, `VOICE_SOCKET`
   */
  static open(address: string, port = 0): VoiceLine {
    const binding = addon();
    return new VoiceLine(translated('VOICE_SOCKET', () => new binding.VoiceCall(address, port)));
  }

  /**
   * Lets a person hear themselves, through everything that a call goes through but another peer: levels, devices and
   * quality can be tried before anybody is called. Echo is not cancelled, as the person's voice is the echo here.
   *
   * @throws PeerError as `open` and `start`
   */
  static loopback(
    settings: Pick<VoiceSettings, 'server' | 'input' | 'output' | 'bitrate'>,
    onEvent: (event: VoiceCallEvent) => void,
  ): VoiceLine {
    const line = VoiceLine.open('127.0.0.1');
    const key = randomBytes(VOICE_KEY_BYTES);
    line.start(
      {
        ...settings,
        remote: { address: '127.0.0.1', port: line.port },
        sendKey: Buffer.from(key),
        receiveKey: key,
        sendSsrc: randomInt(2 ** 32),
        processing: false,
      },
      onEvent,
    );
    return line;
  }

  /** Port of the socket. */
  get port(): number {
    return this.call.port;
  }

  /**
   * Starts the session, once; devices are opened meanwhile and told of by events. Of statistics only the newest is
   * told where the event loop is late; everything else is told once, in order.
   *
   * @throws PeerError `VOICE_ARGUMENT`, `VOICE_START`
   */
  start(settings: VoiceSettings, onEvent: (event: VoiceCallEvent) => void): void {
    const { remote, input, output } = settings;
    translated('VOICE_START', () =>
      this.call.start(
        {
          ...(remote === undefined ? {} : { remoteAddress: remote.address, remotePort: remote.port }),
          server: settings.server ?? 'auto',
          ...(input === undefined ? {} : { input }),
          ...(output === undefined ? {} : { output }),
          sendKey: shared(settings.sendKey),
          receiveKey: shared(settings.receiveKey),
          sendSsrc: settings.sendSsrc,
          bitrate: settings.bitrate ?? DEFAULT_BITRATE,
          processing: settings.processing ?? true,
          silent: settings.silent ?? false,
        },
        () => {
          for (const event of this.call.drain()) onEvent(event);
        },
      ),
    );
  }

  /** Sends comfort noise instead of the microphone, or the microphone again; the packets look the same. */
  setMuted(muted: boolean): void {
    this.call.setMuted(muted);
  }

  /** Sends comfort noise and plays nothing, or speaks and listens again; the packets look the same. */
  setHeld(held: boolean): void {
    this.call.setHeld(held);
  }

  /**
   * Hears the other party also under this key (`VOICE_KEY_BYTES`; wiped), under the one before until the next time.
   *
   * @throws PeerError `VOICE_ARGUMENT`
   */
  receiveWith(key: Uint8Array): void {
    translated('VOICE_ARGUMENT', () => this.call.receiveWith(shared(key)));
  }

  /**
   * Sends to this place from now on, and from one of the next packets on under this key (wiped), as another RTP source.
   *
   * @throws PeerError `VOICE_ARGUMENT`
   */
  sendWith(key: Uint8Array, remote: { readonly address: string; readonly port: number }, ssrc: number): void {
    translated('VOICE_ARGUMENT', () => this.call.sendWith(shared(key), ssrc, remote.address, remote.port));
  }

  /** Sees to echo, noise and level from now on, or sends the microphone as it is (headset). */
  setProcessing(processing: boolean): void {
    this.call.setProcessing(processing);
  }

  /**
   * Uses another device from now on: the named one (as `listAudioDevices` says), or the sound server's default.
   *
   * @throws PeerError `VOICE_ARGUMENT`
   */
  setDevice(device: 'input' | 'output', name?: string): void {
    translated('VOICE_START', () => this.call.setDevice(device, name));
  }

  /** Counters and momentary values; undefined before `start` and after `close`. */
  statistics(): VoiceStatistics | undefined {
    return this.call.statistics() ?? undefined;
  }

  /** Closes the socket and ends the threads; resolves within about two seconds, false if a thread had to be left. */
  close(): Promise<boolean> {
    return this.call.stop();
  }
}

/**
 * All microphones and loudspeakers of the sound server.
 *
 * @throws PeerError `AUDIO_SERVER`
 */
export async function listAudioDevices(server: SoundServer = 'auto'): Promise<AudioDevice[]> {
  const binding = addon();
  try {
    return await binding.listAudioDevices(server);
  } catch (cause) {
    throw failure('AUDIO_SERVER', cause);
  }
}

/** The same memory as a Buffer, so that wiping it wipes the caller's copy. */
function shared(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function translated<T>(code: VoiceErrorCode, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw failure(code, cause);
  }
}

/** The addon marks arguments that it refuses with the status `InvalidArg`. */
function failure(code: VoiceErrorCode, cause: unknown): PeerError<VoiceErrorCode> {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const refused = 'code' in error && error.code === 'InvalidArg';
  const remedy =
    code === 'AUDIO_SERVER'
      ? 'start PulseAudio or PipeWire in your session; as another user give its PULSE_SERVER and PULSE_COOKIE'
      : undefined;
  return new PeerError(refused ? 'VOICE_ARGUMENT' : code, error.message, {
    cause: error,
    ...(remedy !== undefined && { remedy }),
  });
}
