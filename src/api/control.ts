/**
 * Role: the local control socket of a daemon: a Unix socket of mode 0600 that speaks lines of JSON.
 *
 * A client sends `{"id": 1, "verb": "status", "args": …}` and gets `{"id": 1, "result": …}` or
 * `{"id": 1, "error": {"code", "message", "remedy"?}}`. After the verb `subscribe` it also gets
 * `{"event": …, "data": …}` lines.
 *
 * Invariants: lines, clients, requests in work and waiting output are bounded; a client that breaks the
 * protocol is closed and disturbs no other; the socket of a daemon that runs is never taken over.
 *
 * Not here: the verbs themselves (daemon.ts and the modules).
 */

import { chmod, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import type { Logger } from '../log.js';
import { ensurePrivateDirectory } from '../private-files.js';
import { LineSplitter } from './lines.js';

/** `args` is what the client sent, unchecked. What is returned must be JSON. */
export type ControlHandler = (args: unknown) => unknown;

export interface ControlServerOptions {
  readonly path: string;
  readonly handlers: Readonly<Record<string, ControlHandler>>;
  readonly log: Logger;
  /** The directory is one that others share, such as /tmp: it must be there, and keeps its mode. */
  readonly keepsDirectory?: boolean;
}

const MAX_CLIENTS = 64;
const MAX_IN_FLIGHT = 32;
const MAX_QUEUED_BYTES = 1024 * 1024;
/** sockaddr_un has 108 bytes, the last of which is zero. */
const MAX_PATH_BYTES = 107;
const PROBE_MS = 1_000;

const RequestSchema = v.object({
  id: v.union([v.pipe(v.number(), v.safeInteger()), v.pipe(v.string(), v.maxLength(64))]),
  verb: v.pipe(v.string(), v.maxLength(64)),
  args: v.optional(v.unknown()),
});

/**
 * STATE_DIR/<module>.sock. Errors: 'socket-path' (longer than a Unix socket's address can be).
 */
export function controlSocketPath(config: { readonly stateDir: string }, module: string): string {
  const path = join(config.stateDir, `${module}.sock`);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    throw new PeerError('socket-path', `the path of the control socket has ${bytes} bytes: ${path}`, {
      remedy: `give a shorter STATE_DIR in the config file: a socket's path has at most ${MAX_PATH_BYTES} bytes`,
    });
  }
  return path;
}

interface Client {
  readonly socket: Socket;
  subscribed: boolean;
  inFlight: number;
}

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  readonly #clients = new Set<Client>();

  constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * Makes the socket; replaces one that a crashed daemon left behind.
   *
   * Errors: 'already-running' (somebody answers on it), 'control-socket'.
   */
  async listen(): Promise<void> {
    const { path, keepsDirectory = false } = this.#options;
    if (!keepsDirectory) await ensurePrivateDirectory(join(path, '..'));
    if (await isAlive(path)) {
      throw new PeerError('already-running', `another process serves ${path} already`, {
        remedy: 'stop it first, or give this one another STATE_DIR',
      });
    }
    await rm(path, { force: true });
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, () => {
          this.#server.off('error', reject);
          resolve();
        });
      });
      await chmod(path, 0o600);
    } catch (error) {
      throw new PeerError(
        'control-socket',
        `cannot make the control socket ${path}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    } finally {
      process.umask(mask);
    }
    this.#server.on('error', (error) => this.#options.log.error({ err: error }, 'control socket'));
  }

  /** Sends an event to all clients that have subscribed. `data` must be JSON. */
  broadcast(event: string, data: unknown): void {
    const line = `${JSON.stringify({ event, data })}\n`;
    for (const client of this.#clients) {
      if (client.subscribed) this.#write(client, line);
    }
  }

  /** Answers what is in the output queues, closes all clients and removes the socket. */
  close(): Promise<void> {
    for (const { socket } of this.#clients) socket.destroySoon();
    return new Promise((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#clients.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    const client: Client = { socket, subscribed: false, inFlight: 0 };
    this.#clients.add(client);
    const lines = new LineSplitter(
      (line) => void this.#onLine(client, line),
      () => this.#refuse(client, 'a line is longer than 64 KiB'),
    );
    socket.on('data', (chunk: Buffer) => lines.push(chunk));
    socket.on('close', () => {
      lines.stop();
      this.#clients.delete(client);
    });
  }

  async #onLine(client: Client, line: string): Promise<void> {
    if (line.trim() === '' || client.socket.destroyed) return;
    const request = parseRequest(line);
    if (request === null) {
      this.#refuse(client, 'a line is not a request');
      return;
    }
    if (client.inFlight >= MAX_IN_FLIGHT) {
      this.#refuse(client, 'too many requests at once');
      return;
    }
    client.inFlight += 1;
    const answer = await this.#perform(client, request.verb, request.args);
    client.inFlight -= 1;
    this.#write(client, `${JSON.stringify({ id: request.id, ...answer })}\n`);
  }

  async #perform(client: Client, verb: string, args: unknown): Promise<object> {
    try {
      if (verb === 'subscribe') {
        client.subscribed = true;
        return { result: true };
      }
      const handler = Object.hasOwn(this.#options.handlers, verb) ? this.#options.handlers[verb] : undefined;
      if (handler === undefined)
        throw new PeerError('unknown-verb', `this daemon does not know the verb ${verb}`);
      return { result: (await handler(args)) ?? null };
    } catch (error) {
      if (error instanceof PeerError) {
        const { code, message, remedy } = error;
        return { error: remedy === undefined ? { code, message } : { code, message, remedy } };
      }
      this.#options.log.error({ err: error, verb }, 'control request failed');
      return { error: { code: 'internal', message: 'the daemon made a mistake; its log says more' } };
    }
  }

  #write(client: Client, line: string): void {
    if (client.socket.destroyed || client.socket.writableEnded) return;
    if (client.socket.writableLength + line.length > MAX_QUEUED_BYTES) {
      this.#refuse(client, 'the client does not read');
      return;
    }
    client.socket.write(line);
  }

  #refuse(client: Client, reason: string): void {
    this.#options.log.warn({ reason }, 'control connection closed');
    client.socket.destroy();
  }
}

function parseRequest(line: string): v.InferOutput<typeof RequestSchema> | null {
  try {
    const result = v.safeParse(RequestSchema, JSON.parse(line));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

/** Whether somebody accepts connections on the socket. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (alive: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    // Whoever lets a connection wait is alive, if busy.
    const timer = setTimeout(() => settle(true), PROBE_MS);
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
