/**
 * The DHT's byte streams on TCP, on the same addresses and port as its datagrams.
 *
 * Invariants: a stream's `onClose` comes exactly once; nothing here throws; what a peer does not read is bounded by
 * what one answer holds (bulk.ts). Not here: framing, authentication, limits.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { PeerError } from '../errors.js';
import { endpointOf } from './address.js';
import type { ByteStream, Endpoint, StreamHandlers, StreamTransport } from './environment.js';

const CONNECTION_BACKLOG = 128;

class TcpStream implements ByteStream {
  #closed = false;
  #handlers: StreamHandlers | null = null;

  constructor(
    readonly socket: Socket,
    readonly remote: Endpoint,
  ) {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#onClose());
  }

  start(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    if (this.#closed) {
      setImmediate(() => handlers.onClose());
      return;
    }
    this.socket.on('data', (bytes: Buffer) => handlers.onData(bytes));
  }

  write(bytes: Buffer): void {
    if (!this.#closed && this.socket.writable) this.socket.write(bytes);
  }
  end(): void {
    if (!this.#closed) this.socket.end();
  }
  destroy(): void {
    this.socket.destroy();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers?.onClose();
  }
}

export class TcpTransport implements StreamTransport {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  /** @throws PeerError `dht-bind` where an endpoint cannot be bound */
  async listen(endpoints: readonly Endpoint[], onStream: (stream: ByteStream) => void): Promise<void> {
    for (const endpoint of endpoints) await this.#listenOne(endpoint, onStream);
  }

  connect(to: Endpoint): ByteStream {
    const socket = connect({ host: to.host, port: to.port });
    this.#track(socket);
    return new TcpStream(socket, to);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const servers = this.#servers.splice(0);
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #listenOne({ host, port }: Endpoint, onStream: (stream: ByteStream) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        const remote = endpointOf(socket.remoteAddress ?? '', socket.remotePort ?? 0);
        if (!remote) {
          socket.destroy();
          return;
        }
        this.#track(socket);
        onStream(new TcpStream(socket, remote));
      });
      server.maxConnections = 1024;
      server.once('error', (cause) =>
        reject(
          new PeerError('dht-bind', `the DHT cannot listen on ${host} port ${port} (TCP): ${cause.message}`, {
            cause,
            remedy:
              'set OVERLAY_HOSTNAME and OVERLAY_PORT in [DHT] to an address of this machine and a free port',
          }),
        ),
      );
      server.listen({ host, port, backlog: CONNECTION_BACKLOG, ipv6Only: true, exclusive: true }, () => {
        server.removeAllListeners('error');
        server.on('error', () => {});
        this.#servers.push(server);
        resolve();
      });
    });
  }
}
