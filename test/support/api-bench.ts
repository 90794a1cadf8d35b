/**
 * Role: an ApiServer on loopback and raw clients for tests.
 *
 * Not here: assertions.
 */

import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import {
  type ApiConnection,
  type ApiLimits,
  ApiServer,
  DHT_ACCEPTS,
  KX_ACCEPTS,
} from '../../src/api/server.js';
import { createLogger, type Logger } from '../../src/log.js';
import type { ApiMessage } from '../../src/wire/message.js';

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly reason?: string;
  readonly kind?: string;
}

/** A logger and the records that went through it. */
export function recordingLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) };
  return { log: createLogger({ level: 'trace', name: 'test', destination }), lines };
}

export interface Bench {
  readonly server: ApiServer;
  readonly port: number;
  readonly lines: LogLine[];
}

/** A server that answers by `onMessage`. Close it with `server.close()`. */
export async function startServer(
  module: 'dht' | 'kx',
  onMessage: (client: ApiConnection, message: ApiMessage) => void | Promise<void>,
  limits: Partial<ApiLimits> = {},
): Promise<Bench> {
  const { log, lines } = recordingLog();
  const accepts = module === 'dht' ? DHT_ACCEPTS : KX_ACCEPTS;
  const server = new ApiServer({ module, host: '127.0.0.1', port: 0, accepts, onMessage, log, limits });
  const { port } = await server.listen();
  return { server, port, lines };
}

const received = new WeakMap<Socket, Buffer[]>();

/** A plain TCP client that has connected. Read it by {@link readBytes} and {@link bytesUntilEnd} only. */
export async function rawClient(port: number): Promise<Socket> {
  const socket = createConnection({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  received.set(socket, chunks);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'connect');
  return socket;
}

/** All bytes that were not read yet, until the other side ends the connection. */
export async function bytesUntilEnd(socket: Socket): Promise<Buffer> {
  while (!socket.closed) await change(socket);
  return takeAll(socket);
}

/** The next `length` bytes; fewer if the connection ends before. */
export async function readBytes(socket: Socket, length: number): Promise<Buffer> {
  const chunks = received.get(socket) ?? [];
  const held = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  while (held() < length && !socket.closed) await change(socket);
  const all = takeAll(socket);
  if (all.length > length) chunks.push(all.subarray(length));
  return all.subarray(0, length);
}

/** Until there are more bytes, or the connection is closed. (events.once would reject on a reset.) */
function change(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      socket.off('data', settle);
      socket.off('close', settle);
      resolve();
    };
    socket.on('data', settle);
    socket.on('close', settle);
  });
}

function takeAll(socket: Socket): Buffer {
  return Buffer.concat(received.get(socket)?.splice(0) ?? []);
}
