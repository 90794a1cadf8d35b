/**
 * Role: the callee's side of a fake call: a UDP port that takes voice and answers nothing.
 *
 * Both sides of a fake call are this peer. What the caller's side sends goes out by the one tunnel and comes in by the other, which is what a call looks
 * like from outside: as many packets there as back.
 *
 * Not here: the caller's side, which is a voice without sound (media.ts).
 */

import { createSocket, type Socket } from 'node:dgram';
import type { Voice } from './control-connection.js';

export class DeafVoice implements Voice {
  readonly port: number;
  readonly #socket: Socket;
  #received = 0;

  constructor(address: string, port: number) {
    this.port = port;
    this.#socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('message', () => {
      this.#received += 1;
    });
    // Whatever the system has against it, nobody was to hear anything.
    this.#socket.on('error', () => {});
    this.#socket.bind(port, address);
  }

  /** Packets that have come. */
  get received(): number {
    return this.#received;
  }

  start(): void {}
  receiveWith(): void {}
  sendWith(): void {}
  setMuted(): void {}
  setHeld(): void {}
  setDevice(): void {}

  statistics(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
