/**
 * Role: the listening side of a stub: its own, because the API server of a real module does no wrong.
 *
 * Invariants: a stub without fault closes on a violation and serves everything else in order; what clients send never
 * ends the process; connections and unread answers are bounded.
 *
 * Not here: what is answered (dht-stub.ts, kx-stub.ts, script.ts), single faults (faults.ts).
 */

import { createServer, type Server, type Socket } from 'node:net';
import { FrameSplitter } from '../../api/framing.js';
import { PeerError } from '../../errors.js';
import { type ApiMessage, decodeMessage, encodeMessage } from '../../wire/message.js';
import type { FaultHooks, StubModule } from './fault.js';
import type { Script } from './script.js';

const MAX_CONNECTIONS = 1_024;
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

const RECEIVES: Readonly<Record<StubModule, readonly ApiMessage['type'][]>> = {
  dht: ['dht-put', 'dht-get', 'dht-trace'],
  kx: ['kx-build-incoming', 'kx-build-outgoing', 'kx-destroy'],
};

export interface StubOptions {
  readonly module: StubModule;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** A right module's answers. */
  readonly answers: (request: ApiMessage) => ApiMessage[];
  readonly script?: Script;
  readonly fault?: FaultHooks;
  /** Told of each request and of each violation, for a person to see. */
  readonly tell?: (text: string) => void;
}

export class StubServer {
  readonly #options: StubOptions;
  readonly #fault: FaultHooks;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: StubOptions) {
    this.#options = options;
    this.#fault = options.fault ?? {};
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Resolves to the port. Errors: 'listen'. */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        reject(
          new PeerError('listen', `the stub cannot listen on ${host}:${port}: ${cause.message}`, { cause }),
        );
      });
      this.#server.listen({ host, port }, () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    const { size } = this.#sockets;
    if (size >= MAX_CONNECTIONS || (size > 0 && this.#fault.oneConnection === true)) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    let place = 0;
    const splitter = new FrameSplitter(
      (frame) => {
        const isRead = this.#fault.reads?.(place++) ?? true;
        if (isRead) this.#onFrame(socket, splitter, frame);
      },
      () => this.#violate(socket, splitter, Buffer.alloc(0)),
    );
    socket.on('data', (chunk: Buffer) => {
      place = 0;
      splitter.push(this.#fault.chunk?.(chunk) ?? chunk);
    });
    socket.on('close', () => {
      splitter.stop();
      this.#sockets.delete(socket);
    });
  }

  #onFrame(socket: Socket, splitter: FrameSplitter, frame: Buffer): void {
    const { module, answers: right, script, tell } = this.#options;
    const decoded = decodeMessage(frame);
    const request = decoded.ok ? decoded.message : null;
    if (
      request === null ||
      !RECEIVES[module].includes(request.type) ||
      this.#fault.refuses?.(request, frame)
    ) {
      this.#violate(socket, splitter, frame);
      return;
    }
    const key = 'key' in request ? request.key : request.pseudoIdentity;
    tell?.(`${request.type} ${key.toString('hex')}`);
    const scripted = script?.play(request) ?? null;
    const canned = scripted?.frames ?? null;
    const answers = canned === null ? (this.#fault.answers?.(request, right) ?? right(request)) : [];
    const frames = canned ?? answers.map(encodeMessage);
    this.#later(scripted?.delayMs ?? 0, () => {
      const to = this.#fault.answersAll === true ? [...this.#sockets] : [socket];
      for (const bytes of frames) for (const one of to) this.#send(one, bytes);
      if (scripted?.close || this.#fault.closesAfter?.(answers)) this.#close(socket, splitter);
    });
  }

  #send(socket: Socket, bytes: Buffer): void {
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
    else socket.write(this.#fault.frame?.(Buffer.from(bytes)) ?? bytes);
  }

  #violate(socket: Socket, splitter: FrameSplitter, bytes: Buffer): void {
    const { module, tell } = this.#options;
    tell?.(`violation: ${bytes.subarray(0, 64).toString('hex') || 'a size below that of the header'}`);
    const todo = this.#fault.violation?.(bytes) ?? 'close';
    if (todo === 'ignore') return;
    if (todo === 'error') {
      const requestType = bytes.length < 4 ? 0 : bytes.readUInt16BE(2);
      const key = Buffer.alloc(32);
      const error: ApiMessage =
        module === 'dht'
          ? { type: 'dht-error', requestType, key }
          : { type: 'kx-error', requestType, pseudoIdentity: key };
      this.#send(socket, encodeMessage(error));
      return;
    }
    if (todo === 'close-all') for (const other of this.#sockets) other.destroy();
    this.#close(socket, splitter);
  }

  #close(socket: Socket, splitter: FrameSplitter): void {
    splitter.stop();
    socket.destroySoon();
  }

  #later(delayMs: number, work: () => void): void {
    if (delayMs === 0) {
      work();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }
}
