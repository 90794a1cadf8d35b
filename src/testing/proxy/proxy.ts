/**
 * Role: the proxy itself: listens in the place of a module and passes each connection on to it.
 *
 * Invariants: connections are bounded; one disturbs no other. They are numbered from 1 on as they come.
 *
 * Not here: what happens on a connection (connection.ts), files and control socket (session.ts).
 */

import { createServer, type Server } from 'node:net';
import { PeerError } from '../../errors.js';
import { type ConnectionOptions, ProxiedConnection } from './connection.js';

export interface ProxyOptions extends Omit<ConnectionOptions, 'onClosed'> {
  /** Port 0 lets the system choose. */
  readonly listen: { readonly host: string; readonly port: number };
}

const MOST_CONNECTIONS = 1_024;

export class ApiProxy {
  readonly #options: ProxyOptions;
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  #accepted = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      this.#accepted += 1;
      const onClosed = (connection: ProxiedConnection) => this.#connections.delete(connection);
      this.#connections.add(new ProxiedConnection(this.#accepted, socket, { ...options, onClosed }));
    });
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  get status(): { readonly open: number; readonly accepted: number } {
    return { open: this.#connections.size, accepted: this.#accepted };
  }

  /** Resolves to the port. Errors: 'listen'. */
  listen(): Promise<number> {
    const { host, port } = this.#options.listen;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        reject(
          new PeerError('listen', `the proxy cannot listen on ${host}:${port}: ${cause.message}`, {
            cause,
            remedy: 'give another address by --listen, or stop what listens there',
          }),
        );
      });
      this.#server.listen({ host, port }, () => {
        this.#server.removeAllListeners('error');
        this.#server.on('error', () => {}); // a connection that could not be accepted; the others go on
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Resets all connections and stops listening. */
  close(): Promise<void> {
    for (const connection of this.#connections) connection.cut('reset');
    return new Promise((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
  }
}
