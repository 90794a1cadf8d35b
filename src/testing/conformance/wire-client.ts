/**
 * Role: one connection to the module under test, which takes whatever comes: nothing is believed, nothing is thrown away.
 *
 * Invariants: what is kept is bounded; every wait has a limit; a connection that breaks looks like one that was closed.
 *
 * Not here: the meaning of what comes (bench.ts and the checks).
 */

import { connect, type Socket } from 'node:net';
import { PeerError } from '../../errors.js';
import { HEADER_BYTES } from '../../wire/message.js';

const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** What comes next on a connection. */
export type Arrival =
  | { readonly kind: 'frame'; readonly frame: Buffer }
  /** Nothing more in time, or the end; `rest`: bytes that are no whole message. */
  | { readonly kind: 'silence' | 'closed'; readonly rest: Buffer };

export class WireClient {
  readonly #socket: Socket;
  #kept: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#kept = Buffer.concat([this.#kept, chunk]);
      if (this.#kept.length > MAX_KEPT_BYTES) socket.pause();
      this.#wake();
    });
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  /** Errors: 'target-unreachable'. */
  static connect(host: string, port: number, limitMs: number): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      const fail = (reason: string, cause?: Error) => {
        clearTimeout(timer);
        socket.destroy();
        reject(
          new PeerError('target-unreachable', `cannot connect to ${host}:${port}: ${reason}`, { cause }),
        );
      };
      const timer = setTimeout(() => fail(`no answer in ${limitMs} ms`), limitMs);
      socket.once('error', (error) => fail(error.message, error));
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(new WireClient(socket));
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves once the system has taken the bytes, or the connection is gone. */
  send(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed || !this.#socket.writable) resolve();
      else this.#socket.write(bytes, () => resolve());
    });
  }

  /** The next whole message by the size in its header; a size below that of the header is no message. */
  async next(limitMs: number): Promise<Arrival> {
    const end = performance.now() + limitMs;
    for (;;) {
      const size = this.#kept.length < HEADER_BYTES ? null : this.#kept.readUInt16BE(0);
      if (size !== null && size >= HEADER_BYTES && this.#kept.length >= size) {
        const frame = this.#kept.subarray(0, size);
        this.#kept = this.#kept.subarray(size);
        this.#socket.resume();
        return { kind: 'frame', frame };
      }
      if (this.#isClosed) return { kind: 'closed', rest: this.#kept };
      const leftMs = end - performance.now();
      if (leftMs <= 0) return { kind: 'silence', rest: this.#kept };
      await this.#woken(leftMs);
    }
  }

  destroy(): void {
    this.#socket.destroy();
    this.#end();
  }

  #woken(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(): void {
    this.#isClosed = true;
    this.#wake();
  }
}
