/**
 * Role: the scenario of tunnel.test.ts, run inside a sandbox: six peers with DHT and KX, tunnels between two of them.
 *
 *   node tunnel-scenario.js RESULT-FILE
 */

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dhtTrace } from '../../src/api/dht-client.js';
import { KxClient } from '../../src/api/kx-client.js';
import { BridgedHosts } from '../../src/eval/namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../../src/eval/peer-network.js';
import { prepareInside, sandboxDirectory } from '../../src/eval/sandbox.js';
import { generatePseudoIdentity } from '../../src/identity/pseudo-identity.js';
import { signRegistration } from '../../src/voip/signed-registration.js';
import { encodeBuildExtension } from '../../src/wire/build-extension.js';
import type { PeerAddress } from '../../src/wire/message.js';
import { testHostkeyPath } from '../support/hostkeys.js';

const PROBE = fileURLToPath(new URL('../../src/eval/tunnel-probe.js', import.meta.url));
const PEERS = 6;
const VOIP_PORT = 5060;
/** Of a pseudo-identity with a port of its own. */
const OWN_PORT = 11_060;
const ROTATE_SECONDS = 5;
const kxOfHost = new Map<string, ChildProcess>();
const [resultFile = ''] = process.argv.slice(2);

const results: Record<string, unknown> = {};
prepareInside();
const hosts = new BridgedHosts('peers');
hosts.attach();
const directory = sandboxDirectory() ?? '';
const network = new PeerNetwork(hosts, directory);

try {
  for (let index = 0; index < PEERS; index += 1) {
    const hostkey = await testHostkeyPath(index);
    // The callee's inner addresses are IPv6, everybody else's IPv4.
    const tun = index === 0 ? 'fd42::1/112' : '10.20.0.1/16';
    const options = ['--tun-ip', tun, '--api-host', `10.200.0.${index + 1}`];
    // Whatever is measured here happens while tunnels rotate.
    const peer = await network.reconfigure(await network.add(`p${index}`, options, hostkey), (text) =>
      text.replace('# ROTATE = 600', `ROTATE = ${ROTATE_SECONDS}`),
    );
    network.start(peer, 'dht', ['dht', '-c', peer.config.file]);
    kxOfHost.set(peer.host.name, network.start(peer, 'kx', ['kx', '-c', peer.config.file]));
  }
  for (const peer of network.peers) {
    await network.waitFor(peer, 'kx', 'the KX', () => true);
    await network.waitFor(peer, 'dht', 'the DHT', () => true);
  }
  const [callee, caller, third] = network.peers as [NetworkPeer, NetworkPeer, NetworkPeer];
  const calleeKx = await kxOf(callee);
  const callerKx = await kxOf(caller);
  const exchangePoint = await exchangePointFor(callee, [callee, caller]);
  const pseudoIdentity = randomBytes(32);
  const request = { hops: 3, pseudoIdentity, exchangePoint, timeoutMs: 40_000 };

  results.unknown = await callerKx.buildOutgoing(request).catch((error) => error.code);
  const ready = await calleeKx.buildIncoming(request);
  results.incomingAddressIsEmpty = ready.ipv4.equals(Buffer.alloc(4)) && ready.ipv6.equals(Buffer.alloc(16));
  const outgoing = await callerKx.buildOutgoing(request);
  const address = [...outgoing.ipv4].join('.');
  results.address = address;

  await serve(callee, VOIP_PORT);
  await serve(callee, OWN_PORT);
  results.tcp = await probe(caller, 'tcp', address, VOIP_PORT, 200_000);
  results.udp = await probe(caller, 'udp', address, VOIP_PORT, 500);
  results.rotated = await rotations(callee, caller);
  results.closedPort = await probe(caller, 'udp', address, VOIP_PORT + 1, 5);

  results.otherPort = await probe(caller, 'udp', address, OWN_PORT, 5);

  // Another pseudo-identity of the callee: hijacked at first, then registered by its owner, with a port of its own.
  const owner = generatePseudoIdentity();
  const hijacker = network.peers.find(
    (peer) => peer !== callee && peer !== caller && !isAt(peer, exchangePoint),
  );
  const hijackerKx = await kxOf(hijacker ?? third);
  const hijack = { ...request, pseudoIdentity: owner.publicKey };
  await hijackerKx.buildIncoming(hijack);
  const time = BigInt(Math.floor(Date.now() / 1000));
  const terms = { exchangePoint: exchangePoint.identity, time, expiry: time + 3_600n };
  const registration = signRegistration(owner, terms, randomBytes(32));
  const extension = encodeBuildExtension({ registration, port: OWN_PORT });
  await calleeKx.buildIncoming({ ...hijack, extension });
  const own = [...(await callerKx.buildOutgoing(hijack)).ipv4].join('.');
  results.ownPort = await probe(caller, 'udp', own, OWN_PORT, 50);
  results.ownPortAlone = await probe(caller, 'udp', own, VOIP_PORT, 5);
  hijackerKx.destroy(owner.publicKey);
  results.hijackedAgain = await hijackerKx.buildIncoming(hijack).catch((error) => error.code);
  calleeKx.destroy(owner.publicKey);
  callerKx.destroy(owner.publicKey);
  // Before a relay dies: what it has not passed on by then, the exchange point learns only when its circuit has long been idle.
  const exchange = network.peers.find((peer) => isAt(peer, exchangePoint)) ?? third;
  await network.waitFor(
    exchange,
    'kx',
    "the owner's tunnels to be gone",
    ({ engine }) => engine.registrations === 1,
  );

  const victim = await relayOtherThan([callee.host.ipv4, caller.host.ipv4, addressOf(exchangePoint)]);
  results.victim = victim !== null;
  if (victim !== null) kxOfHost.get(victim.host.name)?.kill('SIGKILL');
  results.afterDeath = await probe(caller, 'udp', address, VOIP_PORT, 1_000);
  const living = network.peers.filter((peer) => peer !== victim);

  const wrong = { ...exchangePoint, identity: randomBytes(32) };
  results.wrongIdentity = await calleeKx
    .buildIncoming({ ...request, pseudoIdentity: randomBytes(32), exchangePoint: wrong })
    .catch((error) => error.code);
  const down = { ...exchangePoint, kxPort: 9 };
  results.down = await calleeKx
    .buildIncoming({ ...request, pseudoIdentity: randomBytes(32), exchangePoint: down })
    .catch((error) => error.code);
  const taken = await (await kxOf(living[2] ?? third)).buildIncoming(request).catch((error) => error.code);
  results.taken = taken;
  callerKx.destroy(pseudoIdentity);
  calleeKx.destroy(pseudoIdentity);
  for (const peer of living) {
    await network.waitFor(
      peer,
      'kx',
      'all circuits to be gone',
      ({ engine }) =>
        engine.own === 0 && engine.relayed === 0 && engine.registrations === 0 && engine.flows === 0,
      30_000,
    );
  }
  results.freed = true;
} catch (error) {
  results.failure = error instanceof Error ? error.stack : String(error);
  for (const peer of network.peers) {
    for (const log of ['dht.log', 'kx.log']) {
      results[`${peer.host.name} ${log}`] = (
        await readFile(join(peer.directory, log), 'utf8').catch(() => '')
      ).slice(-1500);
    }
  }
} finally {
  await network.stop();
  await writeFile(resultFile, JSON.stringify(results, null, 1));
}
process.exit(0);

async function serve(peer: NetworkPeer, port: number): Promise<void> {
  const log = join(directory, `serve-${port}.log`);
  const server = network.spawn(peer.host, `serve-${port}`, log, process.execPath, [
    PROBE,
    'serve',
    'fd42::1',
    String(port),
  ]);
  await new Promise((resolve) => server.stdout?.once('data', resolve));
}

function isAt({ host }: NetworkPeer, address: PeerAddress): boolean {
  return host.ipv4 === addressOf(address);
}

function addressOf({ ipv4 }: PeerAddress): string {
  return [...(ipv4 ?? [])].join('.');
}

/** How many rotations the tunnels of these peers have had, all in all. */
async function rotations(...peers: readonly NetworkPeer[]): Promise<number> {
  const all = await Promise.all(peers.map((peer) => network.request(peer, 'kx', 'status')));
  // biome-ignore lint/suspicious/noExplicitAny: a status is JSON.
  return all.reduce((sum: number, status: any) => sum + status.state.tunnels.counters.rotated, 0);
}

/** A peer through which circuits run and that is none of `others`. */
async function relayOtherThan(others: readonly string[]): Promise<NetworkPeer | null> {
  for (const peer of network.peers.filter(({ host }) => !others.includes(host.ipv4))) {
    // biome-ignore lint/suspicious/noExplicitAny: a status is JSON.
    const status = (await network.request(peer, 'kx', 'status')) as any;
    if (status.state.engine.relayed > 0) return peer;
  }
  return null;
}

function kxOf(peer: NetworkPeer): Promise<KxClient> {
  const { kx } = peer.config;
  if (kx === null) throw new Error('no KX');
  return KxClient.connect({ host: kx.host, port: kx.port, timeoutMs: 5_000 });
}

/** A peer that a trace shows and that is none of `others`. */
async function exchangePointFor(peer: NetworkPeer, others: readonly NetworkPeer[]): Promise<PeerAddress> {
  const { dht } = peer.config;
  if (dht === null) throw new Error('no DHT');
  const taken = others.map(({ host }) => host.ipv4);
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const hops = await dhtTrace({ host: dht.host, port: dht.port }, randomBytes(32), 5_000).catch(() => []);
    const found = hops.find(({ ipv4 }) => ipv4 !== null && !taken.includes([...ipv4].join('.')));
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('no trace shows a peer');
}

async function probe(
  peer: NetworkPeer,
  mode: string,
  address: string,
  port: number,
  amount: number,
): Promise<unknown> {
  const child = hosts.spawn(
    peer.host,
    process.execPath,
    [PROBE, mode, address, String(port), String(amount)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  return output === '' ? null : JSON.parse(output);
}
