/**
 * Role: the VoIP module's lasting connection to the KX, made again when it breaks.
 *
 * Invariants: one connection at a time; after a break everyone who has asked is told, since tunnels may be gone.
 *
 * Not here: what is asked of the KX.
 */

import type { ApiEndpoint } from '../api/client.js';
import { KxClient } from '../api/kx-client.js';
import { PeerError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ApiMessage } from '../wire/message.js';

const CONNECT_TIMEOUT_MS = 5_000;

export class KxLink {
  /** Called when the connection is gone. */
  onBroken: () => void = () => {};
  /** Sees what answers no request: a tunnel that the KX could not repair. */
  onUnsolicited: (message: ApiMessage) => void = () => {};
  readonly #endpoint: ApiEndpoint;
  readonly #log: Logger;
  #client: Promise<KxClient> | null = null;
  #closed = false;

  constructor(endpoint: ApiEndpoint, log: Logger) {
    this.#endpoint = endpoint;
    this.#log = log;
  }

  /** The connection, made where there is none. Errors: 'api-unreachable', 'timeout', 'kx-closed'. */
  get(): Promise<KxClient> {
    if (this.#closed) return Promise.reject(new PeerError('kx-closed', 'the VoIP module is ending'));
    this.#client ??= this.#connect();
    return this.#client;
  }

  close(): void {
    this.#closed = true;
    void this.#client?.then(
      (client) => client.close(),
      () => {},
    );
  }

  async #connect(): Promise<KxClient> {
    try {
      const client = await KxClient.connect({
        ...this.#endpoint,
        timeoutMs: CONNECT_TIMEOUT_MS,
        onUnsolicited: (message) => this.onUnsolicited(message),
      });
      void client.closed.then(() => {
        this.#client = null;
        if (this.#closed) return;
        this.#log.warn('the KX closed the connection');
        this.onBroken();
      });
      return client;
    } catch (error) {
      this.#client = null;
      throw error;
    }
  }
}
