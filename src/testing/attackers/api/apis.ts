/**
 * Role: the APIs that a config names, as a client attacks them: which modules, and connections that end with the attack.
 *
 * Not here: what is done with a connection (the attackers, eval/dht-network/api-attacks.ts).
 */

import type { ApiEndpoint } from '../../../api/client.js';
import type { Config } from '../../../config/config.js';
import { PeerError } from '../../../errors.js';
import { RawConnection } from '../../../eval/dht-network/raw-connection.js';

export interface AttackedApi extends ApiEndpoint {
  readonly module: 'dht' | 'kx';
}

/** Errors: 'config' where there is none. */
export function apisOf({ file, dht, kx }: Config): AttackedApi[] {
  const apis: AttackedApi[] = [];
  if (dht !== null) apis.push({ module: 'dht', host: dht.host, port: dht.port });
  if (kx !== null) apis.push({ module: 'kx', host: kx.host, port: kx.port });
  if (apis.length === 0)
    throw new PeerError('config', `${file} has neither [DHT] nor [KX]`, {
      remedy: 'name the APIs to attack by HOSTNAME and PORT in [DHT] and [KX]',
    });
  return apis;
}

/** Connections that are open just now. */
export class OpenConnections {
  readonly #open = new Set<RawConnection>();

  get size(): number {
    return this.#open.size;
  }

  /** `onClosed` comes when it is gone, whoever ended it. */
  make(api: ApiEndpoint, onClosed: () => void = () => {}): RawConnection {
    const connection = new RawConnection({ host: api.host, port: api.port });
    this.#open.add(connection);
    void connection.closed.then(() => {
      this.#open.delete(connection);
      onClosed();
    });
    return connection;
  }

  destroy(): void {
    for (const connection of this.#open) connection.destroy();
  }
}
