/**
 * Role: a port on which callers come in: connections of strangers, until they have proven who they are and said what
 * they want.
 *
 * Invariants: connections of strangers are bounded in number and time, for each entrance apart, so that what happens at
 * one cannot be felt at another; only the pseudo-identities of this entrance answer here.
 *
 * Not here: what becomes of a caller (telephone.ts); which entrances there are (entrances.ts).
 */

import { randomInt } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { PeerError } from '../errors.js';
import type { PseudoIdentity } from '../identity/pseudo-identity.js';
import type { Logger } from '../log.js';
import { ControlChannel } from './control-channel.js';
import type { FirstMessage } from './control-message.js';
import type { Caller } from './telephone-options.js';

const MAX_STRANGERS = 32;
/** Of one address, which is one caller's tunnel: nobody takes all places. */
const MAX_STRANGERS_OF_ADDRESS = 4;
const FIRST_MESSAGE_TIMEOUT_MS = 10_000;
const LISTEN_RETRY_MS = 1_000;
/** Ports that an entrance of its own is drawn from: below those that the system gives to outgoing connections. */
const OWN_PORTS = { least: 10_000, below: 32_768 };

export interface EntranceOptions {
  readonly address: string;
  /** `null`: one is drawn, and another one where it is taken. */
  readonly port: number | null;
  /** Who can be called here. */
  readonly identities: () => readonly PseudoIdentity[];
  readonly onCaller: (caller: Caller) => Promise<void>;
  /** A connection came to nothing. */
  readonly onRefused: () => void;
  /** Another port had to be drawn. */
  readonly onMoved: () => void;
  readonly log: Logger;
}

export class Entrance {
  readonly #options: EntranceOptions;
  readonly #server: Server;
  readonly #strangers = new Set<Socket>();
  #port: number;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: EntranceOptions) {
    this.#options = options;
    this.#port = options.port ?? drawPort();
    this.#server = createServer((socket) => this.#admit(socket));
    this.#server.on('error', (error: NodeJS.ErrnoException) => this.#retryListen(error));
    this.#listen();
  }

  get port(): number {
    return this.#port;
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Strangers are sent away; callers who were handed on stay. Resolves when all connections are gone. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const socket of this.#strangers) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #admit(socket: Socket): void {
    const { remoteAddress } = socket;
    const sameAddress = [...this.#strangers].filter((other) => other.remoteAddress === remoteAddress);
    const isFull = this.#strangers.size >= MAX_STRANGERS || sameAddress.length >= MAX_STRANGERS_OF_ADDRESS;
    if (this.#closed || isFull) {
      this.#options.onRefused();
      socket.destroy();
      return;
    }
    this.#strangers.add(socket);
    socket.once('close', () => this.#strangers.delete(socket));
    void this.#welcome(socket).catch((error: unknown) => {
      this.#options.onRefused();
      this.#options.log.debug({ err: error }, 'a caller was refused');
      socket.destroy();
    });
  }

  async #welcome(socket: Socket): Promise<void> {
    const channel = await ControlChannel.answer(socket, this.#options.identities());
    const first = await firstMessageOf(channel);
    this.#strangers.delete(socket);
    if (this.#closed) return channel.end();
    await this.#options.onCaller({ connection: channel, first, localPort: this.#port });
  }

  #listen(): void {
    this.#server.listen(this.#port, this.#options.address);
  }

  /** The address appears with the KX's TUN device, which may come later or go for a while. */
  #retryListen(error: NodeJS.ErrnoException): void {
    if (this.#closed || this.#server.listening) return;
    const { port, log, onMoved } = this.#options;
    if (error.code === 'EADDRINUSE' && port === null) {
      this.#port = drawPort();
      onMoved();
    }
    log[error.code === 'EADDRNOTAVAIL' ? 'debug' : 'warn']({ err: error }, 'cannot listen for callers yet');
    this.#timer = setTimeout(() => this.#listen(), LISTEN_RETRY_MS);
  }
}

function drawPort(): number {
  return randomInt(OWN_PORTS.least, OWN_PORTS.below);
}

/** The caller's first message, in bounded time. */
function firstMessageOf(channel: ControlChannel): Promise<FirstMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      channel.end();
      reject(new PeerError('call-handshake', 'a caller connected and said nothing'));
    }, FIRST_MESSAGE_TIMEOUT_MS);
    const settle = (run: () => void) => {
      clearTimeout(timer);
      channel.listen(null);
      run();
    };
    channel.listen({
      onMessage: (message) => {
        if (message.type === 'invite' || message.type === 'resume') settle(() => resolve(message));
      },
      onClose: () => settle(() => reject(new PeerError('call-handshake', 'a caller connected and left'))),
    });
  });
}
