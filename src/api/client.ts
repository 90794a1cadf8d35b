/**
 * Role: the calling side of a module API: one TCP connection on which messages are sent and received.
 *
 * Invariants: what a module sends is as hostile as anything else: a malformed message closes the
 * connection with code 'api-violation'. Messages that nobody has asked for yet wait in a bounded queue, and
 * beyond that in the socket.
 *
 * Not here: which reply belongs to which request (dht-client.ts, kx-client.ts), reconnection.
 */

import { createConnection, type Socket } from 'node:net';
import { PeerError } from '../errors.js';
import { type ApiMessage, decodeMessage, encodeMessage } from '../wire/message.js';
import { FrameSplitter } from './framing.js';

/** Where a module listens for API clients. */
export interface ApiEndpoint {
  readonly host: string;
  readonly port: number;
}

export interface ConnectOptions extends ApiEndpoint {
  /** For the TCP handshake. Default 5 000. */
  readonly timeoutMs?: number;
  /** Ends the attempt, and later the connection. */
  readonly signal?: AbortSignal;
}

const DEFAULT_CONNECT_MS = 5_000;
const MAX_QUEUED_MESSAGES = 64;

export class ApiClient {
  /** Settles when the connection is gone: `null` for an orderly end, else why. Never rejects. */
  readonly closed: Promise<PeerError | null>;
  readonly #socket: Socket;
  readonly #queue: ApiMessage[] = [];
  readonly #splitter: FrameSplitter;
  #handler: ((message: ApiMessage) => void) | null = null;
  #wake: (() => void) | null = null;
  #failure: PeerError | null = null;
  #open = true;

  private constructor(socket: Socket, endpoint: ApiEndpoint) {
    this.#socket = socket;
    this.#splitter = new FrameSplitter(
      (frame) => this.#onFrame(frame),
      (reason) => this.#violate(reason),
    );
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#splitter.push(chunk));
    socket.on('error', (error) => {
      this.#failure ??= new PeerError(
        'api-closed',
        `the connection to ${endpoint.host}:${endpoint.port} broke: ${error.message}`,
        { cause: error },
      );
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#open = false;
        this.#wake?.();
        resolve(this.#failure);
      });
    });
  }

  /** Errors: 'api-unreachable' (nobody listens, no route), 'timeout', 'aborted'. */
  static connect(options: ConnectOptions): Promise<ApiClient> {
    const { host, port, timeoutMs = DEFAULT_CONNECT_MS, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new PeerError('aborted', `connecting to ${host}:${port} was given up`));
        return;
      }
      const socket = createConnection({ host, port });
      const settle = (error: PeerError | null) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        socket.removeAllListeners('error');
        socket.removeAllListeners('connect');
        if (error === null) {
          const client = new ApiClient(socket, { host, port });
          if (signal !== undefined) client.#followSignal(signal);
          resolve(client);
        } else {
          socket.on('error', () => {});
          socket.destroy();
          reject(error);
        }
      };
      const onAbort = () => settle(new PeerError('aborted', `connecting to ${host}:${port} was given up`));
      const timer = setTimeout(
        () =>
          settle(new PeerError('timeout', `${host}:${port} did not accept a connection in ${timeoutMs} ms`)),
        timeoutMs,
      );
      signal?.addEventListener('abort', onAbort);
      socket.once('connect', () => settle(null));
      socket.once('error', (error) =>
        settle(
          new PeerError('api-unreachable', `cannot connect to ${host}:${port}: ${error.message}`, {
            cause: error,
            remedy: 'start the module that listens there, or correct HOSTNAME and PORT in the config file',
          }),
        ),
      );
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** False if the connection is closed. Throws RangeError if a field does not fit its place. */
  send(message: ApiMessage): boolean {
    const bytes = encodeMessage(message);
    if (!this.#open || this.#socket.writableEnded) return false;
    this.#socket.write(bytes);
    return true;
  }

  /** Calls `handler` for each message, queued ones first. Use this or the iterator, not both. */
  onMessage(handler: (message: ApiMessage) => void): void {
    this.#handler = handler;
    for (const message of this.#queue.splice(0)) handler(message);
    this.#socket.resume();
  }

  /** Messages in order until the connection ends; throws why if that was not orderly. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ApiMessage, void, void> {
    for (;;) {
      const message = this.#queue.shift();
      if (message !== undefined) {
        if (this.#queue.length < MAX_QUEUED_MESSAGES / 2) this.#socket.resume();
        yield message;
      } else if (!this.#open) {
        if (this.#failure !== null) throw this.#failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
      }
    }
  }

  /** Sends what is queued, then closes. */
  close(): void {
    this.#splitter.stop();
    this.#socket.resume();
    this.#socket.destroySoon();
  }

  #onFrame(frame: Buffer): void {
    const decoded = decodeMessage(frame);
    if (!decoded.ok) {
      this.#violate(decoded.violation);
    } else if (this.#handler !== null) {
      this.#handler(decoded.message);
    } else {
      this.#queue.push(decoded.message);
      if (this.#queue.length >= MAX_QUEUED_MESSAGES) this.#socket.pause();
      this.#wake?.();
    }
  }

  #violate(reason: string): void {
    this.#failure ??= new PeerError('api-violation', `the module sent a malformed message: ${reason}`);
    this.#splitter.stop();
    this.#socket.destroy();
  }

  #followSignal(signal: AbortSignal): void {
    const onAbort = () => this.close();
    signal.addEventListener('abort', onAbort);
    void this.closed.then(() => signal.removeEventListener('abort', onAbort));
  }
}
