/**
 * Role: measures a whole call path, 3 + 3 hops between two of eight real peers, each in a namespace of its own.
 *
 *   node call-path.js    runs itself in a sandbox and prints one line of JSON: the results
 *
 * Not here: what the figures must be (kx.ts).
 */

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dhtTrace } from '../../api/dht-client.js';
import { KxClient } from '../../api/kx-client.js';
import type { PeerAddress } from '../../wire/message.js';
import { BridgedHosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { prepareInside, run, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { type CallPathResults, TCP_BYTES, UDP_PACKETS } from './call-path-results.js';

const SELF = fileURLToPath(import.meta.url);
const PROBE = fileURLToPath(new URL('../tunnel-probe.js', import.meta.url));
const PEERS = 8;
const PORT = 5060;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  const hosts = new BridgedHosts('peers');
  run('ip', ['addr', 'add', '10.200.255.254/16', 'dev', 'peers']);
  const network = new PeerNetwork(hosts, directory);
  try {
    process.stdout.write(`${JSON.stringify(await measure(network, hosts))}\n`);
  } finally {
    await network.stop();
  }
  process.exit(0);
}

async function measure(network: PeerNetwork, hosts: BridgedHosts): Promise<CallPathResults> {
  process.stderr.write(`making ${PEERS} peers with fresh hostkeys …\n`);
  for (let index = 0; index < PEERS; index += 1) {
    const peer = await network.add(`p${index}`, ['--api-host', `10.200.0.${index + 1}`]);
    network.start(peer, 'dht', ['dht', '-c', peer.config.file]);
    network.start(peer, 'kx', ['kx', '-c', peer.config.file]);
  }
  for (const peer of network.peers) {
    await network.waitFor(peer, 'kx', 'the KX', () => true);
    await network.waitFor(
      peer,
      'dht',
      'the DHT to know all others',
      ({ node }) => node.contacts === PEERS - 1,
    );
  }
  const [callee, caller] = network.peers as [NetworkPeer, NetworkPeer];
  const request = {
    hops: 3,
    pseudoIdentity: randomBytes(32),
    exchangePoint: await exchangePointFor(callee, [callee, caller]),
    timeoutMs: 60_000,
  };
  process.stderr.write('building the tunnels …\n');
  await (await kxOf(callee)).buildIncoming(request);
  const ready = await (await kxOf(caller)).buildOutgoing(request);
  const address = [...ready.ipv4].join('.');
  const calleeTun = callee.config.kx?.tunIp?.address ?? '';
  const log = join(sandboxDirectory() ?? '', 'serve.log');
  await writeFile(log, '');
  const server = network.spawn(callee.host, 'serve', log, process.execPath, [
    PROBE,
    'serve',
    calleeTun,
    String(PORT),
  ]);
  await new Promise((resolve) => server.stdout?.once('data', resolve));
  process.stderr.write(`${UDP_PACKETS} packets at 50/s …\n`);
  const udp = await probe(hosts, caller, ['udp', address, String(PORT), String(UDP_PACKETS)]);
  process.stderr.write(`${TCP_BYTES / 1e6} MB there and back …\n`);
  const tcp = await probe(hosts, caller, ['tcp', address, String(PORT), String(TCP_BYTES)]);
  return { udp, tcp } as CallPathResults;
}

function kxOf(peer: NetworkPeer): Promise<KxClient> {
  const { kx } = peer.config;
  if (kx === null) throw new Error('the peer has no KX');
  return KxClient.connect({ host: kx.host, port: kx.port, timeoutMs: 5_000 });
}

async function exchangePointFor(peer: NetworkPeer, others: readonly NetworkPeer[]): Promise<PeerAddress> {
  const { dht } = peer.config;
  if (dht === null) throw new Error('the peer has no DHT');
  const taken = others.map(({ host }) => host.ipv4);
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const hops = await dhtTrace({ host: dht.host, port: dht.port }, randomBytes(32), 5_000);
    const found = hops.find(({ ipv4 }) => ipv4 !== null && !taken.includes([...ipv4].join('.')));
    if (found !== undefined) return found;
  }
  throw new Error('no trace shows a peer that could be the exchange point');
}

async function probe(hosts: BridgedHosts, peer: NetworkPeer, args: readonly string[]): Promise<unknown> {
  const child = hosts.spawn(peer.host, process.execPath, [PROBE, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  return JSON.parse(output);
}
