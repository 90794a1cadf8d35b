/**
 * Role: a network of real peers with a tunnel between two of them, and a server behind it.
 *
 * Invariants: the first peer is the callee, the second the caller, and the exchange point is neither of them.
 *
 * Not here: what goes through the tunnel, and what disturbs it (src/eval/goals).
 */

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dhtTrace } from '../api/dht-client.js';
import { KxClient } from '../api/kx-client.js';
import { PeerError } from '../errors.js';
import type { PeerAddress } from '../wire/message.js';
import type { Host, Hosts } from './namespaces.js';
import type { NetworkPeer, PeerNetwork } from './peer-network.js';

export const TUNNEL_PROBE = fileURLToPath(new URL('./tunnel-probe.js', import.meta.url));
/** Where the echo server listens. */
export const SERVED_PORT = 5060;
/** Where a source of bytes listens, where there is one. */
export const SOURCE_PORT = 5061;

export interface CallNetworkOptions {
  readonly peers: number;
  /** Mean time between rotations; absent: what `peer init` writes. */
  readonly rotateSeconds?: number;
  /** PEM files of hostkeys; a fresh one, which takes seconds to make, for whoever has none here. */
  readonly hostkeys?: readonly string[];
  /** Tells what goes on. */
  readonly tell: (text: string) => void;
}

export class CallNetwork {
  readonly network: PeerNetwork;
  readonly callee: NetworkPeer;
  readonly caller: NetworkPeer;
  readonly exchangePoint: PeerAddress;
  /** The address that stands for the callee at the caller's. */
  readonly address: string;
  readonly #kx: Map<NetworkPeer, ChildProcess>;

  private constructor(
    network: PeerNetwork,
    [callee, caller]: readonly [NetworkPeer, NetworkPeer],
    exchangePoint: PeerAddress,
    address: string,
    kx: Map<NetworkPeer, ChildProcess>,
  ) {
    this.network = network;
    this.callee = callee;
    this.caller = caller;
    this.exchangePoint = exchangePoint;
    this.address = address;
    this.#kx = kx;
  }

  /** Makes it, inside a sandbox. `network` is the caller's to stop, also after an error. */
  static async make(network: PeerNetwork, options: CallNetworkOptions): Promise<CallNetwork> {
    const { peers, rotateSeconds, hostkeys = [], tell } = options;
    const kx = new Map<NetworkPeer, ChildProcess>();
    for (let index = 0; index < peers; index += 1) {
      tell(`making peer ${index + 1} of ${peers} …`);
      const reachable = ({ management }: Host) => ['--api-host', management];
      const fresh = await network.add(`p${index}`, reachable, hostkeys[index]);
      const peer = await network.reconfigure(fresh, (text) =>
        text.replace(
          '# ROTATE = 600',
          `ROTATE = ${rotateSeconds ?? 600}\nTUN_ALLOW = tcp:${SERVED_PORT}, udp:${SERVED_PORT}, tcp:${SOURCE_PORT}`,
        ),
      );
      network.start(peer, 'dht', ['dht', '-c', peer.config.file]);
      kx.set(peer, startKx(network, peer));
    }
    for (const peer of network.peers) {
      await network.waitFor(peer, 'kx', 'the KX', () => true);
      await network.waitFor(peer, 'dht', 'the DHT', ({ node }) => node.contacts === peers - 1);
    }
    const [callee, caller] = network.peers as [NetworkPeer, NetworkPeer];
    const exchangePoint = await exchangePointFor(callee, [callee, caller]);
    const request = { hops: 3, pseudoIdentity: randomBytes(32), exchangePoint, timeoutMs: 60_000 };
    tell('building the tunnels …');
    await (await kxClientOf(callee)).buildIncoming(request);
    const ready = await (await kxClientOf(caller)).buildOutgoing(request);
    const made = new CallNetwork(network, [callee, caller], exchangePoint, [...ready.ipv4].join('.'), kx);
    await made.#startServer('serve', SERVED_PORT);
    return made;
  }

  /** Peers that relay a circuit just now and are neither end nor the exchange point. */
  async relays(): Promise<NetworkPeer[]> {
    const apart = [
      this.callee.host.ipv4,
      this.caller.host.ipv4,
      [...(this.exchangePoint.ipv4 ?? [])].join('.'),
    ];
    const others = this.network.peers.filter(({ host }) => !apart.includes(host.ipv4));
    const relaying = await Promise.all(
      others.map(async (peer) => {
        const status = (await this.network.request(peer, 'kx', 'status')) as {
          state: { engine: { relayed: number } };
        };
        return status.state.engine.relayed > 0;
      }),
    );
    return others.filter((_, index) => relaying[index]);
  }

  /** The KX of a peer dies without a word. */
  kill(peer: NetworkPeer): void {
    this.#kx.get(peer)?.kill('SIGKILL');
  }

  /** Starts the KX of a peer again and waits until it is up. */
  async restart(peer: NetworkPeer): Promise<void> {
    this.#kx.set(peer, startKx(this.network, peer));
    await this.network.waitFor(peer, 'kx', 'the KX to be back', () => true);
  }

  /** The rotations and repairs that a peer's tunnels have had. */
  async tunnelCounters(peer: NetworkPeer): Promise<Readonly<Record<string, number>>> {
    const status = (await this.network.request(peer, 'kx', 'status')) as {
      state: { tunnels: { counters: Record<string, number> } };
    };
    return status.state.tunnels.counters;
  }

  /** Whoever connects to SOURCE_PORT gets so many bytes. */
  async offer(bytes: number): Promise<void> {
    await this.#startServer('source', SOURCE_PORT, [String(bytes)]);
  }

  async #startServer(mode: string, port: number, more: readonly string[] = []): Promise<void> {
    const log = join(this.callee.directory, `${mode}.log`);
    await writeFile(log, '');
    const address = this.callee.config.kx?.tunIp?.address ?? '';
    const args = [TUNNEL_PROBE, mode, address, String(port), ...more];
    const server = this.network.spawn(this.callee.host, mode, log, process.execPath, args);
    await new Promise((resolve) => server.stdout?.once('data', resolve));
  }
}

/** Runs a program on a host to its end and reads the last line that it prints as JSON. */
export async function runForJson(
  hosts: Hosts,
  { host }: { readonly host: Host },
  args: readonly string[],
): Promise<unknown> {
  const child = hosts.spawn(host, process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

function startKx(network: PeerNetwork, peer: NetworkPeer): ChildProcess {
  return network.start(peer, 'kx', ['kx', '-c', peer.config.file]);
}

function kxClientOf(peer: NetworkPeer): Promise<KxClient> {
  const { kx } = peer.config;
  if (kx === null) throw new PeerError('no-kx', `${peer.host.name} has no KX`);
  return KxClient.connect({ host: kx.host, port: kx.port, timeoutMs: 5_000 });
}

async function exchangePointFor(peer: NetworkPeer, others: readonly NetworkPeer[]): Promise<PeerAddress> {
  const { dht } = peer.config;
  const taken = others.map(({ host }) => host.ipv4);
  for (let attempt = 0; dht !== null && attempt < 100; attempt += 1) {
    const hops = await dhtTrace({ host: dht.host, port: dht.port }, randomBytes(32), 5_000);
    const found = hops.find(({ ipv4 }) => ipv4 !== null && !taken.includes([...ipv4].join('.')));
    if (found !== undefined) return found;
  }
  throw new PeerError('no-exchange-point', 'no trace shows a peer that could be the exchange point');
}
