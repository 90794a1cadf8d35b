/**
 * Role: callers who are left to ring without anybody being told.
 *
 * Invariants: what such a caller sees is a conversation that nobody accepts, to the byte and the second, also where it calls again;
 * bounded for each pseudo-identity apart, so that what happens at one cannot be felt at another.
 *
 * Not here: who is treated so (caller-rules.ts, telephone.ts).
 */

import type { Clock } from '../clock.js';
import type { Logger } from '../log.js';
import { Call } from './call.js';
import type { ControlConnection } from './control-connection.js';
import { Conversation } from './conversation.js';

/** At one pseudo-identity; then the oldest one is as if it had rung long enough. */
const MAX_RINGING = 32;

export interface QuietRingingOptions {
  readonly clock: Clock;
  readonly ringMs: number;
  readonly log: Logger;
}

export class QuietRinging {
  readonly #options: QuietRingingOptions;
  /** By our pseudo-identity, then by the caller's, both in hex; the oldest one first. */
  readonly #ringing = new Map<string, Map<string, Conversation>>();

  constructor(options: QuietRingingOptions) {
    this.#options = options;
  }

  take(connection: ControlConnection, key: string, voicePort: number): void {
    const { clock } = this.#options;
    const [local, remote] = [connection.local.toString('hex'), connection.remote.toString('hex')];
    this.leave(connection);
    const callers = this.#ringing.get(local) ?? new Map<string, Conversation>();
    this.#ringing.set(local, callers);
    for (const [caller, oldest] of callers) {
      if (callers.size < MAX_RINGING) break;
      callers.delete(caller);
      oldest.hangUp();
    }
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
      onOver: () => {
        if (callers.get(remote) === conversation) callers.delete(remote);
        if (callers.size === 0 && this.#ringing.get(local) === callers) this.#ringing.delete(local);
      },
    });
    callers.set(remote, conversation);
    conversation.listen();
    conversation.ring(voicePort);
  }

  /** The same caller calls anew: what rang before ends, as a call that a person hears of would. */
  leave({ local, remote }: ControlConnection): void {
    const callers = this.#ringing.get(local.toString('hex'));
    const before = callers?.get(remote.toString('hex'));
    callers?.delete(remote.toString('hex'));
    before?.hangUp();
  }

  close(): void {
    for (const callers of this.#ringing.values())
      for (const conversation of callers.values()) conversation.hangUp();
  }
}
