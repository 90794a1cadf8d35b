/**
 * The DHT's datagrams on real UDP sockets: one socket for each address that we bind.
 *
 * Invariants: sending never throws and never waits; a datagram that the system does not take is lost, as on the
 * network. Not here: what datagrams mean.
 */
import { createSocket, type Socket } from 'node:dgram';
import { PeerError } from '../errors.js';
import { endpointOf } from './address.js';
import type { DatagramTransport, Endpoint } from './environment.js';

const SOCKET_BUFFER_BYTES = 1 << 20;

type Found = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;

/** Endpoints are addresses, never names: nothing is looked up, and a datagram leaves in the call that sends it. */
function takeLiteral(host: string, optionsOrFound: unknown, found?: Found): void {
  const done = (found ?? optionsOrFound) as Found;
  done(null, host, host.includes(':') ? 6 : 4);
}

export class UdpTransport implements DatagramTransport {
  readonly #sockets: { readonly family: 4 | 6; readonly socket: Socket }[] = [];
  /** Datagrams that the system refused. */
  sendErrors = 0;

  /**
   * Binds all endpoints; port 0 lets the system choose.
   * @throws PeerError `dht-bind` where one cannot be bound; the others are closed then
   */
  async bind(
    endpoints: readonly Endpoint[],
    onDatagram: (from: Endpoint, bytes: Buffer) => void,
  ): Promise<Endpoint[]> {
    const bound: Endpoint[] = [];
    try {
      for (const endpoint of endpoints) bound.push(await this.#bindOne(endpoint, onDatagram));
    } catch (cause) {
      await this.close();
      throw cause;
    }
    return bound;
  }

  send(to: Endpoint, datagram: Buffer): void {
    const entry = this.#sockets.find(({ family }) => family === to.family);
    if (!entry) {
      this.sendErrors += 1;
      return;
    }
    try {
      entry.socket.send(datagram, to.port, to.host, (error) => {
        if (error) this.sendErrors += 1;
      });
    } catch {
      this.sendErrors += 1;
    }
  }

  reaches(family: 4 | 6): boolean {
    return this.#sockets.some((entry) => entry.family === family);
  }

  async close(): Promise<void> {
    const sockets = this.#sockets.splice(0);
    await Promise.all(
      sockets.map(({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  #bindOne(endpoint: Endpoint, onDatagram: (from: Endpoint, bytes: Buffer) => void): Promise<Endpoint> {
    const { family, host, port } = endpoint;
    return new Promise((resolve, reject) => {
      const socket = createSocket({
        type: family === 4 ? 'udp4' : 'udp6',
        ipv6Only: family === 6,
        recvBufferSize: SOCKET_BUFFER_BYTES,
        sendBufferSize: SOCKET_BUFFER_BYTES,
        lookup: takeLiteral as never,
      });
      socket.once('error', (cause) => {
        socket.close();
        reject(
          new PeerError('dht-bind', `the DHT cannot bind ${host} port ${port} (UDP): ${cause.message}`, {
            cause,
            remedy:
              'set OVERLAY_HOSTNAME and OVERLAY_PORT in [DHT] to an address of this machine and a free port',
          }),
        );
      });
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        socket.on('error', () => {
          this.sendErrors += 1;
        });
        socket.on('message', (bytes, { address, port: from }) => {
          const source = endpointOf(address, from);
          if (source && from !== 0) onDatagram(source, bytes);
        });
        this.#sockets.push({ family, socket });
        resolve({ family, host, port: socket.address().port });
      });
    });
  }
}
