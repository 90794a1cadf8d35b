/**
 * Role: a plain TCP connection to an API, for bytes that no client of ours would send.
 *
 * Invariants: what comes is kept up to MAX_KEPT_BYTES and then thrown away; nothing here throws when the other side ends.
 *
 * Not here: what the bytes mean.
 */

import { createConnection, type Socket } from 'node:net';
import type { ApiEndpoint } from '../../api/client.js';

const MAX_KEPT_BYTES = 1 << 20;

export class RawConnection {
  /** Settles when the connection is gone, or could not be made. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #length = 0;
  #wake: () => void = () => {};
  #open = true;

  constructor(endpoint: ApiEndpoint) {
    const socket = createConnection(endpoint);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (this.#length < MAX_KEPT_BYTES) this.#received.push(chunk);
      if (this.#length < MAX_KEPT_BYTES) this.#length += chunk.length;
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#open = false;
        this.#wake();
        resolve();
      });
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  send(bytes: Buffer): void {
    if (this.#open) this.#socket.write(bytes);
  }

  /** Reads nothing any more. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Sends no more; what comes is still read. */
  endSending(): void {
    this.#socket.end();
  }

  /** The next `length` bytes; fewer where the connection ended or `withinMs` passed. */
  async read(length: number, withinMs: number): Promise<Buffer> {
    const end = Date.now() + withinMs;
    while (this.#length < length && this.#open) {
      const left = end - Date.now();
      if (left <= 0) break;
      await this.#change(left);
    }
    const all = Buffer.concat(this.#received);
    const rest = all.subarray(Math.min(length, all.length));
    this.#received = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return all.subarray(0, length);
  }

  /** Whether the other side ends the connection within `withinMs`. */
  async isClosedWithin(withinMs: number): Promise<boolean> {
    const end = Date.now() + withinMs;
    while (this.#open && Date.now() < end) await this.#change(end - Date.now());
    return !this.#open;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
