/**
 * Role: a chain of plain UDP forwarders between two hosts, to compare a call path with.
 *
 * Invariants: as many links as the call path has, and a program of ours on each host between; nothing is encrypted or looked
 * at; each datagram is forwarded by itself.
 *
 * Not here: the forwarder (`peer-load forward`), what is sent through.
 */

import { once } from 'node:events';
import { TUNNEL_PROBE } from './call-network.js';
import type { Host, Hosts } from './namespaces.js';
import { endLoad, type Load, startLoad } from './relay-network.js';

const PORT = 4001;

export class PlainChain {
  readonly start: Host;
  /** Where to send to from `start`, to be heard at the other end, which echoes. */
  readonly address: string;
  readonly port = PORT;
  readonly #forwarders: readonly Load[];
  readonly #endServer: () => void;

  private constructor(start: Host, address: string, forwarders: readonly Load[], endServer: () => void) {
    this.start = start;
    this.address = address;
    this.#forwarders = forwarders;
    this.#endServer = endServer;
  }

  /** `names`: of the first end, the forwarders in their order, the other end, none of them in use. */
  static async make(hosts: Hosts, names: readonly [string, string, ...string[]]): Promise<PlainChain> {
    const [start, ...rest] = names.map((name) => hosts.add(name)) as [Host, Host, ...Host[]];
    const last = rest.at(-1) ?? start;
    const args = [TUNNEL_PROBE, 'serve', last.ipv4, String(PORT)];
    const server = hosts.spawn(last, process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (server.stdout !== null) await once(server.stdout, 'data');
    const forwarders: Load[] = [];
    for (const [index, next] of rest.slice(1).entries()) {
      const forwarder = rest[index] ?? start;
      const forward = ['forward', `${forwarder.ipv4}:${PORT}`, `${next.ipv4}:${PORT}`, '--offload', 'no'];
      forwarders.push(await startLoad(forwarder.name, forward));
    }
    return new PlainChain(start, rest[0]?.ipv4 ?? start.ipv4, forwarders, () => server.kill());
  }

  async end(): Promise<void> {
    this.#endServer();
    await Promise.all(this.#forwarders.map(endLoad));
  }
}
