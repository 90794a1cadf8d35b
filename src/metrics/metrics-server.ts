/**
 * Role: serves metrics over HTTP on loopback, to whoever asks for /metrics there.
 *
 * Invariants: only a loopback address is listened on; only requests that name one as their host are answered, so that no web page
 * reads them by a name of its own (DNS rebinding).
 *
 * Not here: what is told (metrics.ts).
 */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PeerError } from '../errors.js';

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
const MAX_CONNECTIONS = 16;
const REQUEST_MS = 10_000;

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Errors: 'metrics-address' (not loopback, or taken), with a remedy. */
export async function serveMetrics(
  host: string,
  port: number,
  text: () => Promise<string>,
  contentType: string,
): Promise<MetricsServer> {
  if (!LOOPBACK.test(host))
    throw new PeerError('metrics-address', `metrics are for this machine alone, ${host} is not loopback`, {
      remedy: 'Use 127.0.0.1, and let a collector on this machine pass them on.',
    });
  const server = createServer((request, response) => {
    const asked = /^\[?([^\]]*?)\]?(:\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? '';
    const answer = (code: number, body: string, type = 'text/plain; charset=utf-8') =>
      response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    if (!LOOPBACK.test(asked)) answer(421, 'metrics are for this machine alone\n');
    else if (request.url !== '/metrics') answer(404, 'there is only /metrics\n');
    else if (request.method !== 'GET') answer(405, 'only GET\n');
    else
      text().then(
        (body) => answer(200, body, contentType),
        () => answer(500, 'the modules cannot be asked\n'),
      );
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    const listening = once(server, 'listening');
    server.listen(port, host);
    await listening;
  } catch (cause) {
    throw new PeerError(
      'metrics-address',
      `${host}:${port} cannot be listened on: ${(cause as Error).message}`,
      {
        cause,
        remedy: 'Choose another port by --listen.',
      },
    );
  }
}
