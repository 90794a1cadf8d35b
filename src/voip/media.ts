/**
 * Role: the voice of one call, as the telephone uses it: a port first, a session later, figures meanwhile.
 *
 * Not here: samples and packets (the engine).
 */

import { randomInt } from 'node:crypto';
import type { VoipConfig } from '../config/config.js';
import { type VoiceCallEvent, VoiceLine, type VoiceStatistics } from '../engine/audio.js';
import type { Voice, VoiceKeys, VoiceTarget } from './control-connection.js';

export class Media implements Voice {
  readonly #line: VoiceLine;
  readonly #config: VoipConfig;
  readonly #silent: boolean;

  /** Binds the voice port; 0 lets the system choose. `silent`: without devices. Errors: 'VOICE_SOCKET', 'VOICE_ARGUMENT'. */
  constructor(config: VoipConfig, address: string, port: number, silent = false) {
    this.#silent = silent;
    this.#config = config;
    this.#line = VoiceLine.open(address, port);
  }

  get port(): number {
    return this.#line.port;
  }

  /** Begins to send and to play; the keys are wiped. Errors: 'VOICE_START', 'VOICE_ARGUMENT'. */
  start(keys: VoiceKeys, remote: VoiceTarget, onEvent: (event: VoiceCallEvent) => void): void {
    const { bitrate, audioServer, audioInput, audioOutput, echoCancellation } = this.#config;
    this.#line.start(
      {
        ...keys,
        remote,
        sendSsrc: randomInt(2 ** 32),
        bitrate,
        processing: echoCancellation,
        silent: this.#silent,
        server: audioServer,
        ...(audioInput === null ? {} : { input: audioInput }),
        ...(audioOutput === null ? {} : { output: audioOutput }),
      },
      onEvent,
    );
  }

  receiveWith(key: Buffer): void {
    this.#line.receiveWith(key);
  }

  sendWith(key: Buffer, remote: VoiceTarget): void {
    this.#line.sendWith(key, remote, randomInt(2 ** 32));
  }

  setMuted(muted: boolean): void {
    this.#line.setMuted(muted);
  }

  setHeld(held: boolean): void {
    this.#line.setHeld(held);
  }

  setDevice(device: 'input' | 'output', name: string | undefined): void {
    this.#line.setDevice(device, name);
  }

  statistics(): VoiceStatistics | undefined {
    return this.#line.statistics();
  }

  close(): Promise<boolean> {
    return this.#line.close();
  }
}
