/**
 * Role: conformance of our own DHT and KX, as daemons in a network of real peers.
 *
 *   node own-conformance.js    runs itself in a sandbox and prints one line of JSON: OwnConformance
 *
 * Invariants: every peer has a KX port of its own and addresses of both families, so that no field of a hop fits by chance.
 *
 * Not here: the checks (src/testing), what must hold (testing.ts).
 */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadHostkey } from '../../identity/hostkey.js';
import { BridgedHosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { type ConformanceReport, type OwnConformance, PEERS } from './conformance-results.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const PEER = fileURLToPath(new URL('../../../../bin/peer.js', import.meta.url));
const FIRST_KX_PORT = 4_001;
/** Holds something only where every TRACE has the same target: in a network of two. */
const TARGET_CHECK = 'dht/3.1.5/target-first';
const JOINED_MS = 120_000;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  const hosts = new BridgedHosts('peers');
  const network = new PeerNetwork(hosts, directory);
  finishWith(await measure(network, hosts, directory).finally(() => network.stop()));
}

async function measure(network: PeerNetwork, hosts: BridgedHosts, below: string): Promise<OwnConformance> {
  const file = join(below, 'known-peers.json');
  await grow(network, 2);
  const [tested, other] = network.peers as [NetworkPeer, NetworkPeer];
  const pair = { tested, other };
  await writeFile(file, JSON.stringify([{ ...(await known(other)), target: true }]));
  const ofTwo = await conformance(hosts, pair, 'dht', file, [TARGET_CHECK]);
  await grow(network, PEERS);
  await writeFile(file, JSON.stringify(await Promise.all(network.peers.slice(1).map(known))));
  await network.waitFor(tested, 'kx', 'its KX to be up', () => true);
  const dht = await conformance(hosts, pair, 'dht', file);
  const checks = [...dht.checks.filter(({ address }) => address !== TARGET_CHECK), ...ofTwo.checks];
  return { dht: { ...dht, checks }, kx: await conformance(hosts, pair, 'kx', file) };
}

/** Makes and starts peers until there are `size`, and waits until all know one another. */
async function grow(network: PeerNetwork, size: number): Promise<void> {
  for (let index = network.peers.length; index < size; index += 1) {
    tell(`making peer ${index + 1} of ${PEERS} …`);
    const port = String(FIRST_KX_PORT + index);
    const peer = await network.add(`p${index}`, ({ ipv4, ipv6 }) => [
      ...['--address', ipv6, '--outreach-port', port],
      // Only here: nobody but these peers is on this network.
      ...['--api-host', ipv4],
    ]);
    for (const module of ['dht', 'kx']) network.start(peer, module, [module, '-c', peer.config.file]);
  }
  for (const peer of network.peers) {
    const joined = ({ node }: JoinedState) => node.state === 'joined' && (node.contacts ?? 0) >= size - 1;
    await network.waitFor(peer, 'dht', 'its DHT to know all others', joined, JOINED_MS);
  }
}

interface JoinedState {
  readonly node: { readonly state: string; readonly contacts?: number };
}

async function known({ config, host }: NetworkPeer): Promise<object> {
  const { identity } = await loadHostkey(config.hostkeyPath);
  return {
    identity: identity.toString('hex'),
    kxPort: config.kx?.outreachPort,
    ipv4: host.ipv4,
    ipv6: host.ipv6,
  };
}

interface Tested {
  readonly tested: NetworkPeer;
  /** Another one of the network. */
  readonly other: NetworkPeer;
}

function api({ host, config }: NetworkPeer, module: 'dht' | 'kx'): string {
  return `${host.ipv4}:${config[module]?.port}`;
}

async function conformance(
  hosts: BridgedHosts,
  { tested, other }: Tested,
  module: 'dht' | 'kx',
  peers: string,
  checks: readonly string[] = [],
): Promise<ConformanceReport> {
  tell(`checking the ${module.toUpperCase()} …`);
  const among = ['--target', api(tested, module), '--other', api(other, module), '--peers', peers];
  const args = ['test', 'conformance', module, ...among, '--strict', '--json', ...checks];
  const child = hosts.spawn(tested.host, process.execPath, [PEER, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  return JSON.parse(output) as ConformanceReport;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
