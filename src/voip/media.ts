/**
 * Role: the voice of one call, as the telephone uses it: a port first, a session later, figures meanwhile.
 *
 * Not here: samples and packets (the engine).
 */

import { randomInt } from 'node:crypto';
import type { VoipConfig } from '../config/config.js';
import { type VoiceCallEvent, VoiceLine, type VoiceStatistics } from '../engine/audio.js';
import type { VoiceKeys } from './control-channel.js';

export class Media {
  readonly #line: VoiceLine;
  readonly #config: VoipConfig;

  /** Binds the voice port; 0 lets the system choose. Errors: 'VOICE_SOCKET', 'VOICE_ARGUMENT'. */
  constructor(config: VoipConfig, address: string, port: number) {
    this.#config = config;
    this.#line = VoiceLine.open(address, port);
  }

  get port(): number {
    return this.#line.port;
  }

  /** Begins to send and to play; the keys are wiped. Errors: 'VOICE_START', 'VOICE_ARGUMENT'. */
  start(
    keys: VoiceKeys,
    remote: { readonly address: string; readonly port: number },
    onEvent: (event: VoiceCallEvent) => void,
  ): void {
    const { bitrate, audioInput, audioOutput } = this.#config;
    this.#line.start(
      {
        ...keys,
        remote,
        sendSsrc: randomInt(2 ** 32),
        bitrate,
        ...(audioInput === null ? {} : { input: audioInput }),
        ...(audioOutput === null ? {} : { output: audioOutput }),
      },
      onEvent,
    );
  }

  setMuted(muted: boolean): void {
    this.#line.setMuted(muted);
  }

  statistics(): VoiceStatistics | undefined {
    return this.#line.statistics();
  }

  close(): Promise<boolean> {
    return this.#line.close();
  }
}
