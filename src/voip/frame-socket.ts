/**
 * Role: length-prefixed frames on a TCP socket: length u16, bytes.
 *
 * Invariants: frames are at most MAX_FRAME_BYTES; more, or more waiting than a few frames, ends the connection; nothing
 * that arrives throws.
 *
 * Not here: encryption.
 */

import type { Socket } from 'node:net';

/** Far above every message of ours. */
export const MAX_FRAME_BYTES = 4_096;
const HEADER_BYTES = 2;
/** What may wait for a party that does not read. */
const MAX_WAITING_BYTES = 64 * 1024;
/** How long the other party may take to read the last words. */
const END_TIMEOUT_MS = 3_000;

export class FrameSocket {
  onFrame: (frame: Buffer) => void = () => {};
  /** Called once, when the connection is gone. */
  onClose: () => void = () => {};
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.onClose());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }

  send(frame: Buffer): void {
    if (this.#socket.destroyed || this.#socket.writableEnded || frame.length > MAX_FRAME_BYTES) return;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(frame.length);
    this.#socket.write(Buffer.concat([header, frame]));
    // Whoever asks without reading the answers would fill our memory.
    if (this.#socket.writableLength > MAX_WAITING_BYTES) this.#socket.destroy();
  }

  /** Sends what is queued and closes, in bounded time. */
  end(): void {
    if (this.#socket.destroyed) return;
    this.#socket.destroySoon();
    const timer = setTimeout(() => this.#socket.destroy(), END_TIMEOUT_MS);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= HEADER_BYTES && !this.#socket.destroyed) {
      const length = this.#received.readUInt16BE(0);
      if (length > MAX_FRAME_BYTES) {
        this.#socket.destroy();
        return;
      }
      if (this.#received.length < HEADER_BYTES + length) return;
      const frame = Buffer.from(this.#received.subarray(HEADER_BYTES, HEADER_BYTES + length));
      this.#received = this.#received.subarray(HEADER_BYTES + length);
      this.onFrame(frame);
    }
  }
}
