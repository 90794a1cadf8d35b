/**
 * Role: makes the control connection of an accepted call again: at once when it is gone, and every while for new keys.
 *
 * Invariants: one attempt at a time, each bounded; after a connection is lost it is tried again and again until `stop`;
 * an attempt that only renews keys disturbs nothing when it fails.
 *
 * Not here: how a connection comes about (dialler.ts), what becomes of it (conversation.ts).
 */

import type { Clock, TimerHandle } from '../clock.js';
import type { Logger } from '../log.js';
import type { ControlConnection } from './control-connection.js';

/** Makes a connection with the other party of the call, in bounded time. Unless it is urgent, what carries voice stays as it is. */
export type Connect = (signal: AbortSignal, isUrgent: boolean) => Promise<ControlConnection>;

/** Keys of a call live this long, and up to a fifth more. */
export const RENEW_AFTER_MS = 600_000;
const RENEW_AGAIN_MS = 60_000;
const PAUSE_MS = 1_000;
/** How long the other party may take to answer on a new connection. */
const ANSWER_MS = 8_000;

export interface ReconnectionOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly connect: Connect;
  /** Says on a new connection which call it is for. */
  readonly resume: (connection: ControlConnection) => void;
  /** The other party has agreed; its voice port. */
  readonly onResumed: (connection: ControlConnection, voicePort: number) => void;
  /** The other party knows of no such call. */
  readonly onRefused: () => void;
}

export class Reconnection {
  readonly #options: ReconnectionOptions;
  readonly #abort = new AbortController();
  #timer: TimerHandle | null = null;
  /** The connection is gone, so attempts follow one another. */
  #urgent = false;
  #trying = false;

  constructor(options: ReconnectionOptions) {
    this.#options = options;
  }

  /** The connection is gone. */
  begin(): void {
    this.#urgent = true;
    if (!this.#trying) this.#schedule(0);
  }

  /** New keys every while. */
  renewFromNowOn(): void {
    this.#schedule(RENEW_AFTER_MS * (1 + Math.random() / 5));
  }

  stop(): void {
    this.#abort.abort();
    if (this.#timer !== null) this.#options.clock.clearTimer(this.#timer);
    this.#timer = null;
  }

  #schedule(afterMs: number): void {
    const { clock } = this.#options;
    if (this.#abort.signal.aborted) return;
    if (this.#timer !== null) clock.clearTimer(this.#timer);
    this.#timer = clock.setTimer(afterMs, () => void this.#attempt());
  }

  async #attempt(): Promise<void> {
    const { signal } = this.#abort;
    if (this.#trying || signal.aborted) return;
    this.#trying = true;
    let connection: ControlConnection | null = null;
    try {
      connection = await this.#options.connect(signal, this.#urgent);
      if (signal.aborted) return connection.end();
      const voicePort = await this.#answerOn(connection);
      if (signal.aborted) return connection.end();
      this.#urgent = false;
      if (voicePort === null) {
        connection.end();
        this.#options.onRefused();
        return;
      }
      this.#options.onResumed(connection, voicePort);
      // It may be gone again already.
      if (this.#urgent) this.#schedule(PAUSE_MS);
      else this.renewFromNowOn();
    } catch (error) {
      connection?.end();
      if (signal.aborted) return;
      this.#options.log.info({ err: error }, 'the control connection of a call could not be made again');
      this.#schedule(this.#urgent ? PAUSE_MS : RENEW_AGAIN_MS);
    } finally {
      this.#trying = false;
    }
  }

  /** The voice port of the other party; `null` where it has no such call any more. */
  #answerOn(connection: ControlConnection): Promise<number | null> {
    const { clock, resume } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (run: () => void) => {
        clock.clearTimer(timer);
        this.#abort.signal.removeEventListener('abort', stopped);
        connection.listen(null);
        run();
      };
      const fail = (why: string) => settle(() => reject(new Error(why)));
      const stopped = () => fail('the call has ended');
      const timer = clock.setTimer(ANSWER_MS, () => fail('the other party does not answer'));
      this.#abort.signal.addEventListener('abort', stopped, { once: true });
      connection.listen({
        onMessage: (message) => {
          if (message.type === 'resumed') settle(() => resolve(message.voicePort));
          else if (message.type === 'hangup') settle(() => resolve(null));
        },
        onClose: () => fail('the other party closed the connection'),
      });
      resume(connection);
    });
  }
}
