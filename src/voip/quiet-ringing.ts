/**
 * Role: callers who are left to ring without anybody being told.
 *
 * Invariants: what such a caller sees is a conversation that nobody accepts, to the byte and the second; bounded.
 *
 * Not here: who is treated so (caller-rules.ts, telephone.ts).
 */

import type { Clock } from '../clock.js';
import type { Logger } from '../log.js';
import { Call } from './call.js';
import type { ControlConnection } from './control-connection.js';
import { Conversation } from './conversation.js';

/** More are sent away. */
const MAX_RINGING = 32;

export interface QuietRingingOptions {
  readonly clock: Clock;
  readonly ringMs: number;
  readonly log: Logger;
}

export class QuietRinging {
  readonly #options: QuietRingingOptions;
  readonly #ringing = new Set<Conversation>();

  constructor(options: QuietRingingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#ringing.size;
  }

  take(connection: ControlConnection, key: string, voicePort: number): void {
    if (this.#ringing.size >= MAX_RINGING) {
      connection.end();
      return;
    }
    const { clock } = this.#options;
    const call = new Call({
      id: 0,
      direction: 'incoming',
      remote: '',
      contact: undefined,
      clock,
      onChange: () => {},
    });
    const conversation = new Conversation({
      ...this.#options,
      call,
      key,
      connection,
      voicePort: 0,
      reconnect: null,
      openVoice: () => {
        throw new Error('nobody accepts this call');
      },
      onOver: () => this.#ringing.delete(conversation),
    });
    this.#ringing.add(conversation);
    conversation.listen();
    conversation.ring(voicePort);
  }

  close(): void {
    for (const conversation of this.#ringing) conversation.hangUp();
  }
}
