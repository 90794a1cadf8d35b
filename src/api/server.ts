/**
 * Role: the listening side of a module API (Spec 3.1, 3.2) for the DHT and the KX.
 *
 * Invariants: a malformed message, an unknown type and a type that this module never receives close that
 * one connection with one line in the log (Spec 3.1.6); all others go on. Tables are bounded; where there are as many
 * connections as may be, a new one takes the place of one that has been silent from its beginning, else of the one with the
 * most requests that wait for their turn, else of one that has been idle (makeRoom); never of one whose only request is in
 * work.
 *
 * Not here: the meaning of any message; ERROR messages, which answer correct requests only.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { PeerError } from '../errors.js';
import type { Logger } from '../log.js';
import { type ApiMessage, MESSAGE_TYPE } from '../wire/message.js';
import { ApiConnection, type ConnectionLimits, type ViolationKind } from './connection.js';
import { FairTurns } from './fair-turns.js';
import { openFileLimit } from './file-limit.js';

export type { ApiConnection } from './connection.js';

/** Types that a DHT module receives. */
export const DHT_ACCEPTS: ReadonlySet<number> = new Set([
  MESSAGE_TYPE.dhtPut,
  MESSAGE_TYPE.dhtGet,
  MESSAGE_TYPE.dhtTrace,
]);

/** Types that a KX module receives. */
export const KX_ACCEPTS: ReadonlySet<number> = new Set([
  MESSAGE_TYPE.kxBuildIncoming,
  MESSAGE_TYPE.kxBuildOutgoing,
  MESSAGE_TYPE.kxDestroy,
]);

export interface ApiLimits extends ConnectionLimits {
  /** One more takes the place of one that is idle (see ApiServer). */
  readonly maxConnections: number;
  /** Bytes that may wait for all clients together; beyond them the one with the most is dropped. */
  readonly maxTotalQueuedBytes: number;
  /** Requests of all clients in work at the same time; null: each is begun when it comes. */
  readonly maxWorking: number | null;
}

export const DEFAULT_API_LIMITS: ApiLimits = {
  maxConnections: 1_024,
  maxTotalQueuedBytes: 64 * 1024 * 1024,
  maxWorking: null,
  halfMessageMs: 30_000,
  maxQueuedBytes: 4 * 1024 * 1024,
  maxInFlight: 64,
  maxInFlightBytes: 64 * 1024,
};

/** How long a new connection may be silent before it has to make room ahead of all others. */
const PATIENCE_MS = 1_000;
/** How long one that has sent messages may be idle before it has to make room ahead of new ones. */
const LONG_IDLE_MS = 30_000;

export interface ApiServerOptions {
  readonly module: 'dht' | 'kx';
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly accepts: ReadonlySet<number>;
  /**
   * Called for each message. Where it returns a promise, the request counts as in work until that settles:
   * a client that has shut its sending side keeps its connection until then. A rejection is logged.
   */
  readonly onMessage: (client: ApiConnection, message: ApiMessage) => void | Promise<void>;
  readonly onDisconnect?: (client: ApiConnection) => void;
  readonly log: Logger;
  readonly limits?: Partial<ApiLimits>;
}

export interface ApiCounters {
  connectionsOpen: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  /** Those that had to make room. */
  connectionsDisplaced: number;
  messagesReceived: number;
  messagesSent: number;
  /** Connections closed by us, by reason. */
  readonly violations: Record<ViolationKind, number>;
}

export class ApiServer {
  readonly counters: ApiCounters = {
    connectionsOpen: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    connectionsDisplaced: 0,
    messagesReceived: 0,
    messagesSent: 0,
    violations: { malformed: 0, 'unexpected-type': 0, 'half-message': 0, 'not-reading': 0, refused: 0 },
  };
  readonly #options: ApiServerOptions;
  readonly #limits: ApiLimits;
  readonly #log: Logger;
  readonly #server: Server;
  /** Clients that have sent no whole message yet, and since when, oldest first. */
  readonly #silent = new Map<ApiConnection, number>();
  /** The others and when their last message came, oldest first. */
  readonly #heard = new Map<ApiConnection, number>();
  readonly #sockets = new Map<ApiConnection, Socket>();
  readonly #turns: FairTurns<ApiConnection> | null;
  #nextId = 1;
  #full = false;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_API_LIMITS, ...options.limits };
    // The module needs files and sockets besides its API.
    const mostConnections = Math.floor(openFileLimit() / 2);
    this.#limits = { ...limits, maxConnections: Math.min(limits.maxConnections, mostConnections) };
    this.#turns = limits.maxWorking === null ? null : new FairTurns(limits.maxWorking);
    this.#log = options.log.child({ api: options.module });
    if (mostConnections < limits.maxConnections) {
      this.#log.warn(
        { connections: mostConnections },
        'this process may open few files, so few API connections: raise its limit (ulimit -n, LimitNOFILE)',
      );
    }
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Errors: 'address-in-use', 'address-not-available', 'listen' (a PeerError each). */
  listen(): Promise<{ port: number }> {
    const { host, port, module } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, module, host, port));
      this.#server.once('error', onError);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', onError);
        this.#server.on('error', (error) => this.#log.error({ err: error }, 'API server'));
        const address = this.#server.address();
        const bound = typeof address === 'object' && address !== null ? address.port : port;
        this.#log.info({ host, port: bound }, 'API listening');
        resolve({ port: bound });
      });
    });
  }

  /** Ends all connections and stops listening. */
  close(): Promise<void> {
    for (const client of [...this.#silent.keys(), ...this.#heard.keys()]) client.end();
    return new Promise((resolve) => {
      if (!this.#server.listening) {
        resolve();
        return;
      }
      this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= this.#limits.maxConnections && !this.#makeRoom()) {
      this.counters.connectionsRefused += 1;
      if (!this.#full) this.#log.warn({ max: this.#limits.maxConnections }, 'too many API connections');
      this.#full = true;
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    const client = new ApiConnection(this.#nextId++, socket, {
      accepts: this.#options.accepts,
      limits: this.#limits,
      log: this.#log,
      events: {
        onMessage: (from, message) => this.#onMessage(from, message),
        onClosed: (closed, violation) => this.#onClosed(closed, violation),
        onSent: () => {
          this.counters.messagesSent += 1;
        },
        onBacklog: () => this.#boundBacklog(),
      },
    });
    this.#sockets.set(client, socket);
    socket.on('close', () => {
      this.#sockets.delete(client);
      this.#full = false;
    });
    this.#silent.set(client, performance.now());
    this.counters.connectionsAccepted += 1;
    this.#count();
  }

  #makeRoom(): boolean {
    const client =
      idleFor(this.#silent, PATIENCE_MS) ??
      this.#turns?.greediest() ??
      idleFor(this.#heard, LONG_IDLE_MS) ??
      idleFor(this.#silent, 0) ??
      idleFor(this.#heard, 0);
    if (client === null) return false;
    client.displace();
    this.#sockets.delete(client);
    this.counters.connectionsDisplaced += 1;
    return true;
  }

  #onMessage(client: ApiConnection, message: ApiMessage): void | Promise<void> {
    this.counters.messagesReceived += 1;
    this.#silent.delete(client);
    this.#heard.delete(client);
    this.#heard.set(client, performance.now());
    const turns = this.#turns;
    if (turns === null) return this.#options.onMessage(client, message);
    return new Promise((resolve, reject) => {
      const work = async () => {
        try {
          resolve(await this.#options.onMessage(client, message));
        } catch (error) {
          reject(error);
        }
      };
      // Nobody waits for an answer to a PUT (Spec 3.1.1): it is done though its client is gone.
      turns.add(client, work, message.type === 'dht-put');
    });
  }

  #boundBacklog(): void {
    let total = 0;
    let worst: ApiConnection | null = null;
    for (const client of this.#heard.keys()) {
      total += client.queuedBytes;
      if (worst === null || client.queuedBytes > worst.queuedBytes) worst = client;
    }
    if (total > this.#limits.maxTotalQueuedBytes) worst?.closeUnread();
  }

  #onClosed(client: ApiConnection, violation: ViolationKind | null): void {
    if (violation !== null) this.counters.violations[violation] += 1;
    this.#silent.delete(client);
    this.#heard.delete(client);
    this.#turns?.remove(client);
    this.#count();
    try {
      this.#options.onDisconnect?.(client);
    } catch (error) {
      this.#log.error({ err: error, client: client.id }, 'disconnect handler failed');
    }
  }

  #count(): void {
    this.counters.connectionsOpen = this.#silent.size + this.#heard.size;
  }
}

/** Of clients in the order of their times, the first that has been idle for `ms` and has nothing in work. */
function idleFor(clients: ReadonlyMap<ApiConnection, number>, ms: number): ApiConnection | null {
  const before = performance.now() - ms;
  for (const [client, since] of clients) {
    if (since > before) return null;
    if (!client.isBusy) return client;
  }
  return null;
}

function listenError(error: NodeJS.ErrnoException, module: string, host: string, port: number): PeerError {
  const section = module.toUpperCase();
  const where = `${host}:${port}`;
  if (error.code === 'EADDRINUSE') {
    return new PeerError(
      'address-in-use',
      `the ${section} API cannot listen on ${where}: the address is in use`,
      {
        cause: error,
        remedy: `stop the other program, or give another PORT in section [${section}] or by --port`,
      },
    );
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new PeerError(
      'address-not-available',
      `the ${section} API cannot listen on ${where}: this machine does not have that address`,
      { cause: error, remedy: `give an address of this machine as HOSTNAME in section [${section}]` },
    );
  }
  return new PeerError('listen', `the ${section} API cannot listen on ${where}: ${error.message}`, {
    cause: error,
  });
}
