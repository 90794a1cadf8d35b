/**
 * Role: a proxy in front of a server of the test, and what both have seen.
 *
 * Not here: assertions.
 */

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../../../../src/log.js';
import type { Api } from '../../../../src/testing/proxy/message-json.js';
import { type Session, startSession } from '../../../../src/testing/proxy/session.js';
import { type ApiMessage, encodeMessage } from '../../../../src/wire/message.js';

export interface ProxyBench {
  readonly directory: string;
  readonly port: number;
  readonly session: Session;
  /** The sockets that the proxy has opened to the target, in order. */
  readonly accepted: Socket[];
  /** The lines of the proxy's log. */
  // biome-ignore lint/suspicious/noExplicitAny: each line has fields of its own.
  log(): any[];
  file(name: string): string;
  /** From now on nobody listens there. */
  closeTarget(): Promise<void>;
  close(): Promise<void>;
}

export interface BenchOptions {
  readonly api?: Api;
  readonly rules?: readonly object[];
  readonly seed?: number;
  /** What the target does with a connection; by default it gives back what it gets. */
  readonly onConnection?: (socket: Socket) => void;
}

export const echo = (socket: Socket): void => void socket.pipe(socket);

export async function startProxy(options: BenchOptions = {}): Promise<ProxyBench> {
  const { api = 'dht', rules = [], seed = 1, onConnection = echo } = options;
  const directory = mkdtempSync(join(tmpdir(), 'peer-proxy-'));
  const file = (name: string) => join(directory, name);
  writeFileSync(file('rules.json'), JSON.stringify({ rules }));
  const accepted: Socket[] = [];
  const target = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    accepted.push(socket);
    onConnection(socket);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const session = await startSession({
    api,
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: '127.0.0.1', port: (target.address() as AddressInfo).port },
    seed,
    rulesFile: file('rules.json'),
    logFile: file('log.ndjson'),
    captureFile: file('capture.pcapng'),
    controlSocket: file('control.sock'),
    log: createLogger({ level: 'silent', name: 'proxy' }),
  });
  const log = () => {
    const lines = readFileSync(file('log.ndjson'), 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  };
  const closeTarget = () => new Promise<void>((resolve) => target.close(() => resolve()));
  const close = async () => {
    await session.close();
    for (const socket of accepted) socket.destroy();
    target.close();
    rmSync(directory, { recursive: true });
  };
  return { directory, port: session.port, session, accepted, log, file, closeTarget, close };
}

/** Runs `work` with a proxy that is closed whatever happens. */
export async function withProxy(
  options: BenchOptions,
  work: (bench: ProxyBench) => Promise<void>,
): Promise<void> {
  const bench = await startProxy(options);
  try {
    await work(bench);
  } finally {
    await bench.close();
  }
}

/** Sends all messages, ends, and gives what comes back until the end. */
export async function exchange(port: number, messages: readonly (ApiMessage | Buffer)[]): Promise<Buffer> {
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = once(socket, 'close');
  for (const message of messages) socket.write(Buffer.isBuffer(message) ? message : encodeMessage(message));
  socket.end();
  await closed.catch(() => {});
  return Buffer.concat(chunks);
}

export const key = (fill: number): Buffer => Buffer.alloc(32, fill);
export const get = (fill: number): ApiMessage => ({ type: 'dht-get', key: key(fill) });

/** The fills of the keys of the GETs that `bytes` consists of. */
export function fillsOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 36 }, (_, index) => bytes[36 * index + 4] as number);
}

/** Until `ready` gives something that is not false. */
export async function until(ready: () => boolean): Promise<void> {
  while (!ready()) await new Promise((resolve) => setTimeout(resolve, 5));
}
