/** Role: hosts that were made all at once, handed out one by one. Not here: how they are made. */

import { PeerError } from '../errors.js';
import type { Host } from './namespaces.js';

export class HostsInStock {
  /** In the order in which they were taken. */
  readonly taken: Host[] = [];
  readonly #left: Map<string, Host>;

  constructor(hosts: readonly Host[]) {
    this.#left = new Map(hosts.map((host) => [host.name, host]));
  }

  /** Errors: 'no-host'. */
  take(name: string): Host {
    const host = this.#left.get(name);
    if (host === undefined) throw new PeerError('no-host', `no host ${name} was made, or it is in use`);
    this.#left.delete(name);
    this.taken.push(host);
    return host;
  }
}
