/**
 * Role: one client of an API server: its bytes in, its messages out.
 *
 * Invariants: nothing that a client sends or a handler throws leaves this object; the queue of output
 * and the number of requests in work are bounded; a half message must be completed in time, whereas an
 * idle connection may live for ever. A client that has shut its sending side still gets its answers.
 *
 * Not here: the listening socket and the number of clients (server.ts).
 */

import type { Socket } from 'node:net';
import type { Logger } from '../log.js';
import { type ApiMessage, decodeMessage, encodeMessage, TYPE_NUMBER } from '../wire/message.js';
import { FrameSplitter } from './framing.js';

export interface ConnectionLimits {
  /** Time from the first byte of a message to its last, in milliseconds. */
  readonly halfMessageMs: number;
  /** Bytes that may wait for a client that does not read, before it is dropped. */
  readonly maxQueuedBytes: number;
  /** Requests of one client in work at the same time, and from how many bytes of them on; more wait in its socket. */
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
}

export interface ConnectionEvents {
  readonly onMessage: (client: ApiConnection, message: ApiMessage) => void | Promise<void>;
  /** `violation` is a short constant for counting, `null` where the connection just ended. */
  readonly onClosed: (client: ApiConnection, violation: ViolationKind | null) => void;
  readonly onSent: () => void;
  /** Something was sent that does not leave at once. */
  readonly onBacklog: () => void;
}

/** Why a connection was closed by us; the key of the counters. */
export type ViolationKind = 'malformed' | 'unexpected-type' | 'half-message' | 'not-reading' | 'refused';

/** How long a closed connection may take to drain what was already sent. */
const DRAIN_MS = 1_000;

export class ApiConnection {
  readonly id: number;
  readonly #socket: Socket;
  readonly #accepts: ReadonlySet<number>;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #log: Logger;
  readonly #splitter: FrameSplitter;
  #halfMessageTimer: NodeJS.Timeout | null = null;
  #inFlight = 0;
  #inFlightBytes = 0;
  #peerEnded = false;
  #open = true;

  /** @internal Made by ApiServer. */
  constructor(
    id: number,
    socket: Socket,
    options: {
      readonly accepts: ReadonlySet<number>;
      readonly limits: ConnectionLimits;
      readonly events: ConnectionEvents;
      readonly log: Logger;
    },
  ) {
    this.id = id;
    this.#socket = socket;
    this.#accepts = options.accepts;
    this.#limits = options.limits;
    this.#events = options.events;
    this.#log = options.log;
    this.#splitter = new FrameSplitter(
      (frame) => this.#onFrame(frame),
      (reason) => this.#violate('malformed', reason),
    );
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#finish(null));
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether a request of this client is in work or waits for its turn. */
  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  /** Bytes that wait for the client to read them. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  /**
   * Queues a message. False if the connection is closed, or was closed now because the client does not
   * read. Throws RangeError if a field of the message does not fit its place: a bug of the caller.
   */
  send(message: ApiMessage): boolean {
    if (!this.#open) return false;
    const bytes = encodeMessage(message);
    if (this.queuedBytes + bytes.length > this.#limits.maxQueuedBytes) {
      this.closeUnread();
      return false;
    }
    this.#socket.write(bytes);
    this.#events.onSent();
    if (this.queuedBytes > bytes.length) this.#events.onBacklog();
    return this.#open;
  }

  /** Ends this connection because too much waits for its client to read it. */
  closeUnread(): void {
    this.#violate('not-reading', `${this.queuedBytes} bytes wait for a client that does not read`);
  }

  /** Ends this connection, without blame, so that another can have its place. */
  displace(): void {
    if (!this.#open) return;
    this.#log.debug({ client: this.id }, 'API connection displaced');
    this.#socket.destroy();
    this.#finish(null);
  }

  /** Ends this connection because of what its client did (Spec 3.1.6: API violations); logs the reason. */
  close(reason: string): void {
    this.#violate('refused', reason);
  }

  /** @internal Ends the connection at shutdown, without blame. */
  end(): void {
    this.#shut(null);
  }

  #onData(chunk: Buffer): void {
    this.#splitter.push(chunk);
    this.#watchHalfMessage();
  }

  #onFrame(frame: Buffer): void {
    // The time limit is for each message, so the next half message starts anew.
    this.#clearHalfMessageTimer();
    const decoded = decodeMessage(frame);
    if (!decoded.ok) {
      this.#violate('malformed', decoded.violation);
      return;
    }
    const type = TYPE_NUMBER[decoded.message.type];
    if (!this.#accepts.has(type)) {
      this.#violate('unexpected-type', `message type ${type} is never sent to this module`);
      return;
    }
    void this.#handle(decoded.message, frame.length);
  }

  /** Whether it may have one more request in work. */
  get #hasRoom(): boolean {
    const { maxInFlight, maxInFlightBytes } = this.#limits;
    return this.#inFlight < maxInFlight && this.#inFlightBytes < maxInFlightBytes;
  }

  async #handle(message: ApiMessage, bytes: number): Promise<void> {
    this.#inFlight += 1;
    this.#inFlightBytes += bytes;
    if (!this.#hasRoom) {
      this.#socket.pause();
      this.#clearHalfMessageTimer();
    }
    try {
      await this.#events.onMessage(this, message);
    } catch (error) {
      this.#log.error({ err: error, client: this.id, message: message.type }, 'request failed');
    } finally {
      this.#inFlight -= 1;
      this.#inFlightBytes -= bytes;
      if (this.#open && this.#hasRoom && this.#socket.isPaused()) {
        this.#socket.resume();
        this.#watchHalfMessage();
      }
      this.#endIfDone();
    }
  }

  #onEnd(): void {
    this.#peerEnded = true;
    if (this.#splitter.partial) this.#log.debug({ client: this.id }, 'connection ended inside a message');
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#peerEnded && this.#inFlight === 0) this.#shut(null);
  }

  #watchHalfMessage(): void {
    if (!this.#open || !this.#splitter.partial) {
      this.#clearHalfMessageTimer();
    } else if (this.#halfMessageTimer === null && !this.#socket.isPaused()) {
      this.#halfMessageTimer = setTimeout(
        () =>
          this.#violate('half-message', `a message was not completed in ${this.#limits.halfMessageMs} ms`),
        this.#limits.halfMessageMs,
      );
    }
  }

  #clearHalfMessageTimer(): void {
    if (this.#halfMessageTimer !== null) clearTimeout(this.#halfMessageTimer);
    this.#halfMessageTimer = null;
  }

  #violate(kind: ViolationKind, reason: string): void {
    if (!this.#open) return;
    this.#log.warn({ client: this.id, kind, reason }, 'API connection closed');
    this.#shut(kind);
  }

  #shut(violation: ViolationKind | null): void {
    if (!this.#open) return;
    this.#splitter.stop();
    if (violation === 'not-reading') {
      this.#socket.destroy();
    } else {
      this.#socket.resume(); // what still comes is thrown away, so that the end reaches us
      this.#socket.destroySoon();
      const timer = setTimeout(() => this.#socket.destroy(), DRAIN_MS);
      this.#socket.once('close', () => clearTimeout(timer));
    }
    this.#finish(violation);
  }

  #finish(violation: ViolationKind | null): void {
    if (!this.#open) return;
    this.#open = false;
    this.#clearHalfMessageTimer();
    this.#splitter.stop();
    this.#events.onClosed(this, violation);
  }
}
