/**
 * Role: the calling side of a daemon's control socket (control.ts has the protocol).
 *
 * Invariants: every request settles: by its answer, its timeout, or the end of the connection. Errors of the
 * daemon come out with the daemon's own code, message and remedy.
 *
 * Not here: the verbs.
 */

import { createConnection, type Socket } from 'node:net';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { LineSplitter } from './lines.js';

const DEFAULT_TIMEOUT_MS = 10_000;

const ReplySchema = v.union([
  v.object({
    id: v.number(),
    error: v.object({ code: v.string(), message: v.string(), remedy: v.optional(v.string()) }),
  }),
  v.object({ event: v.string(), data: v.optional(v.unknown()) }),
  v.object({ id: v.number(), result: v.unknown() }),
]);

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: PeerError) => void;
}

export class ControlClient {
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>;
  /** Set it before sending the verb 'subscribe'. */
  onEvent: (event: string, data: unknown) => void = () => {};
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    const lines = new LineSplitter(
      (line) => this.#onLine(line),
      () => socket.destroy(),
    );
    socket.on('data', (chunk: Buffer) => lines.push(chunk));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        const error = new PeerError('control-closed', `the daemon behind ${path} closed the connection`);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Errors: 'not-running' (no daemon behind the socket), 'control-denied'. */
  static connect(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path);
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new ControlClient(socket, path));
      });
      socket.once('error', (cause: NodeJS.ErrnoException) => {
        reject(
          cause.code === 'EACCES'
            ? new PeerError('control-denied', `you may not use ${path}: it belongs to another user`, {
                cause,
              })
            : new PeerError('not-running', `nothing runs behind ${path}`, {
                cause,
                remedy: 'start it with: peer up -c FILE',
              }),
        );
      });
    });
  }

  /** Errors: those of the daemon, 'timeout', 'control-closed'. `timeoutMs` defaults to 10 000; 0 is for ever. */
  request(verb: string, args?: unknown, options: { readonly timeoutMs?: number } = {}): Promise<unknown> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed || this.#socket.writableEnded) {
        reject(new PeerError('control-closed', 'the connection to the daemon is closed'));
        return;
      }
      const onTime = () => {
        this.#waiting.delete(id);
        reject(new PeerError('timeout', `the daemon did not answer "${verb}" in ${timeoutMs} ms`));
      };
      const timer = timeoutMs === 0 ? undefined : setTimeout(onTime, timeoutMs);
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket.write(`${JSON.stringify({ id, verb, args })}\n`);
    });
  }

  close(): void {
    this.#socket.destroySoon();
  }

  #onLine(line: string): void {
    const reply = parseReply(line);
    if (reply === null) {
      this.#socket.destroy();
      return;
    }
    if ('event' in reply) {
      this.onEvent(reply.event, reply.data);
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (waiting === undefined) return;
    if ('error' in reply) {
      const { code, message, remedy } = reply.error;
      waiting.reject(new PeerError(code, message, remedy === undefined ? {} : { remedy }));
    } else {
      waiting.resolve(reply.result);
    }
  }
}

function parseReply(line: string): v.InferOutput<typeof ReplySchema> | null {
  try {
    const result = v.safeParse(ReplySchema, JSON.parse(line));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}
