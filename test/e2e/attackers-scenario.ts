/**
 * Role: the scenario of attackers.test.ts, run inside a sandbox: three relays and a callee that are honest, and callers who have an
 * attacker for their first hop; then attackers against the honest ones while a call goes on.
 *
 *   node attackers-scenario.js RESULT-FILE
 *
 * A caller has a second, honest first hop, which counts as down until its tunnel is built: so the tunnel goes through the attacker at
 * first and has somewhere to go. That hop is none of its second ones: one that was suspected as such would not be preferred.
 */

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KxClient } from '../../src/api/kx-client.js';
import { loadConfig } from '../../src/config/config.js';
import { runForJson, SERVED_PORT, TUNNEL_PROBE } from '../../src/eval/call-network.js';
import { pooledHostkeys } from '../../src/eval/hostkey-pool.js';
import { BridgedHosts } from '../../src/eval/namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../../src/eval/peer-network.js';
import { prepareInside, sandboxDirectory } from '../../src/eval/sandbox.js';
import { loadHostkey } from '../../src/identity/hostkey.js';
import { generatePseudoIdentity } from '../../src/identity/pseudo-identity.js';
import { signRegistration } from '../../src/voip/signed-registration.js';
import { deriveTunnelKey } from '../../src/voip/tunnel-key.js';
import { encodeBuildExtension } from '../../src/wire/build-extension.js';
import type { PeerAddress } from '../../src/wire/message.js';
import { testHostkeyPath } from '../support/hostkeys.js';

/** By the host on which they run, one after the other: attackers, and what a call through each says in all, 50 a second. */
const LANES = [
  [
    ['delay', 1_200],
    ['crash', 600],
  ],
  [
    ['drop', 500],
    ['modify', 450],
    ['replay', 400],
    ['tag', 150],
  ],
] as const;
/** It is an honest relay until a call goes through it. */
const WAITS = 'replay';
const BESIDE_FLOODS = 300;
const HONEST = 4;
const DAY_MS = 86_400_000;
const START_MS = 150_000;
/** Long enough for a tunnel to be built, on a machine that does nothing else. */
const LEAST_DOWN_MS = 4_000;
const [resultFile = ''] = process.argv.slice(2);

interface Lane {
  readonly trials: (typeof LANES)[number];
  readonly attacker: NetworkPeer;
  readonly caller: NetworkPeer;
}

const results: Record<string, unknown> = {};
prepareInside();
const hosts = new BridgedHosts('peers');
hosts.attach();
const directory = sandboxDirectory() ?? '';
const network = new PeerNetwork(hosts, directory);

try {
  const own = await pooledKeyFiles(LANES.length + 2);
  const honest: NetworkPeer[] = [];
  for (let index = 0; index < HONEST; index += 1) {
    honest.push(await add(`p${index}`, await testHostkeyPath(index)));
  }
  const [exchange, callee, first, second] = honest as [NetworkPeer, NetworkPeer, NetworkPeer, NetworkPeer];
  await pin(callee, [first, second], [second, first, exchange, callee]);
  for (const peer of honest) {
    // The callers, and one relay, do without.
    if (peer !== second) network.start(peer, 'dht', ['dht', '-c', peer.config.file]);
    network.start(peer, 'kx', ['kx', '-c', peer.config.file]);
  }
  const lanes: Lane[] = [];
  const thief = await add('thief', own.pop() ?? '');
  // They never meet, so that one identity does for all.
  const hostkey = own.pop() ?? '';
  for (const [index, trials] of LANES.entries()) {
    const attacker = await add(`bad${index}`, own.pop() ?? '');
    lanes.push({ trials, attacker, caller: await add(`c${index}`, hostkey) });
  }
  const caller = await add('caller', hostkey);
  const running = new Map<string, { readonly child: ChildProcess; readonly log: string }>();
  const attack = (name: string, peer: NetworkPeer, ...more: readonly string[]) => {
    const args = ['test', 'attacker', `kx-${name}`, '-c', peer.config.file, '--seed', '7', '--json', ...more];
    running.set(name, { child: network.start(peer, name, args), log: join(peer.directory, `${name}.log`) });
  };
  const owned = generatePseudoIdentity();
  attack('hijack', thief, '--key', owned.publicKey.toString('hex'));
  await begun('hijack');
  for (const peer of honest) await up(peer);

  const exchangePoint = await addressOf(exchange);
  const pseudoIdentity = randomBytes(32);
  const request = { hops: 3, pseudoIdentity, exchangePoint, timeoutMs: 60_000 };
  const calleeKx = await kxOf(callee);
  await calleeKx.buildIncoming(request);
  // Signed for: whoever else registers it here has the lesser right.
  const time = BigInt(Math.floor(Date.now() / 1000));
  const terms = { exchangePoint: exchangePoint.identity, time, expiry: time + 3_600n };
  const registration = signRegistration(owned, terms, randomBytes(32));
  const signed = { ...request, pseudoIdentity: owned.publicKey };
  await calleeKx.buildIncoming({ ...signed, extension: encodeBuildExtension({ registration }) });
  const log = join(callee.directory, 'serve.log');
  const server = network.spawn(callee.host, 'serve', log, process.execPath, [
    ...[TUNNEL_PROBE, 'serve', callee.config.kx?.tunIp?.address ?? '', String(SERVED_PORT)],
  ]);
  await new Promise((resolve) => server.stdout?.once('data', resolve));

  const stops: string[] = [];
  await Promise.all([...lanes.map(pass), stealCaller()]);
  results.honest = await Promise.all(honest.map(countersOf));
  results.hijackDone = await doneBy('hijack');
  stops.push(await stopped('hijack'));

  // Floods: a call over honest hops goes on beside them.
  for (const [index, name] of ['flood', 'malformed'].entries()) {
    attack(name, (lanes[index] as Lane).attacker);
    await begun(name);
  }
  const ready = await (await kxOf(caller)).buildOutgoing(request);
  const beside = await speak(caller, [...ready.ipv4].join('.'), BESIDE_FLOODS);
  results.beside = { ...beside, flood: await doneBy('flood'), malformed: await doneBy('malformed') };
  results.afterFloods = await Promise.all(honest.map(countersOf));
  stops.push(await stopped('flood'), await stopped('malformed'));
  results.stopped = stops;

  async function pass({ trials, attacker, caller }: Lane): Promise<void> {
    for (const [name, count] of trials) {
      attack(name, attacker, ...(name === WAITS ? ['--wait'] : []));
      await (name === WAITS ? answers(attacker) : begun(name));
      const { kx, address } = await callThrough(caller, attacker);
      if (name === WAITS) results.waited = !(await hasBegun(name));
      const said = await speak(caller, address, count);
      const counted = await countersOf(caller);
      stops.push(await stopped(name));
      results[name] = { ...said, caller: counted, done: await doneBy(name) };
      await ended(kx);
    }
  }

  /** A tunnel that goes through the attacker, whose caller has another way as well by the time that this resolves; its address. */
  async function callThrough(caller: NetworkPeer, attacker: NetworkPeer) {
    for (let downMs = LEAST_DOWN_MS; ; downMs *= 2) {
      const until = Date.now() + downMs;
      await pin(caller, [attacker, first], [second, callee], until);
      const kx = network.start(caller, 'kx', ['kx', '-c', caller.config.file]);
      await up(caller);
      // One that crashes may do it now.
      const ready = await (await kxOf(caller)).buildOutgoing(request).catch(() => null);
      if (ready !== null && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, until - Date.now()));
        return { kx, address: [...ready.ipv4].join('.') };
      }
      // It may have taken the other way, where it took so long.
      await ended(kx);
    }
  }

  /** A call by way of an exchange point that splices callers to itself, whose tunnel key the caller knows. */
  async function stealCaller(): Promise<void> {
    await pin(caller, [first, second], [second, first, callee, exchange]);
    network.start(caller, 'kx', ['kx', '-c', caller.config.file]);
    await up(caller);
    const at = await addressOf(thief);
    const { secret, publicKey } = deriveTunnelKey(owned.secretKey, at.identity);
    const stolen = { ...request, pseudoIdentity: owned.publicKey, exchangePoint: at };
    const tunnelSecret = encodeBuildExtension({ tunnelSecret: secret });
    const tunnelKey = encodeBuildExtension({ tunnelKey: publicKey });
    await calleeKx.buildIncoming({ ...stolen, extension: tunnelSecret });
    const callerKx = await kxOf(caller);
    results.stolen = await callerKx.buildOutgoing({ ...stolen, extension: tunnelKey }).then(
      () => 'ready',
      (error) => error.code,
    );
    results.stolenFrom = await countersOf(caller);
    const pinned = JSON.parse(await readFile(join(caller.directory, 'state', 'kx', 'pinned.json'), 'utf8'));
    results.blamed = pinned.first.filter(({ failures }: { failures: number }) => failures > 0).length;
  }

  async function doneBy(name: string): Promise<Record<string, number>> {
    const lines = (await logOf(name)).split('\n').filter((line) => line.startsWith('{"attacker"'));
    return JSON.parse(lines.at(-1) ?? '{"counts":{}}').counts;
  }

  /** What it says at its end. */
  async function stopped(name: string): Promise<string> {
    const code = await ended(running.get(name)?.child);
    return `${name} ${code} ${/"state":"over"/.test(await logOf(name)) ? 'over' : 'without a word'}`;
  }

  async function begun(name: string): Promise<void> {
    const end = Date.now() + START_MS;
    while (!(await hasBegun(name))) {
      if (Date.now() > end) throw new Error(`kx-${name} does not begin`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function hasBegun(name: string): Promise<boolean> {
    return /"state":"attacking"/.test(await logOf(name));
  }

  async function logOf(name: string): Promise<string> {
    return readFile(running.get(name)?.log ?? '', 'utf8').catch(() => '');
  }
} catch (error) {
  results.failure = error instanceof Error ? error.stack : String(error);
  for (const peer of network.peers) {
    for (const log of ['dht', 'kx', 'hijack', ...LANES.flat().map(([name]) => name)].map(
      (name) => `${name}.log`,
    )) {
      const text = await readFile(join(peer.directory, log), 'utf8').catch(() => '');
      if (text !== '') results[`${peer.host.name} ${log}`] = text.slice(-400);
    }
  }
} finally {
  await network.stop();
  await writeFile(resultFile, JSON.stringify(results, null, 1));
}
process.exit(0);

/** Waits until the KX of a peer is up. */
function up(peer: NetworkPeer): Promise<void> {
  return network.waitFor(peer, 'kx', 'the KX', () => true, START_MS);
}

/** The same of an attacker, which has no control socket. */
async function answers(peer: NetworkPeer): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; ) {
    const client = await kxOf(peer).catch(() => null);
    if (client !== null) return client.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Ends it; its exit code. */
async function ended(child: ChildProcess | undefined): Promise<unknown> {
  const over = new Promise((resolve) => child?.once('close', resolve));
  child?.kill('SIGTERM');
  return over;
}

/** A peer on a host of its own, configured as `peer init` does it, which takes a process. */
async function add(name: string, hostkey: string): Promise<NetworkPeer> {
  const host = hosts.add(name);
  const peerDirectory = join(directory, name);
  await mkdir(peerDirectory, { mode: 0o700 });
  const file = join(peerDirectory, 'peer.ini');
  const global = `HOSTKEY = ${hostkey}\nSTATE_DIR = state\n`;
  const dht = `[DHT]\nHOSTNAME = ${host.ipv4}\nOVERLAY_HOSTNAME = ${host.ipv4}\nHOSTLIST = ${hosts.hosts[0]?.ipv4}\n`;
  const kx = `[KX]\nHOSTNAME = ${host.ipv4}\nOUTREACH_HOSTNAME = ${host.ipv4}\nTUN_IP = 10.20.0.1/16\n`;
  await writeFile(file, `${global}${dht}${kx}`);
  const peer = { host, directory: peerDirectory, config: loadConfig(file) };
  network.peers.push(peer);
  return peer;
}

/** Files of hostkeys that are quickly made. */
async function pooledKeyFiles(count: number): Promise<string[]> {
  const made = await pooledHostkeys(join(directory, 'primes.txt'), count);
  return Promise.all(
    made.map(async ({ privateKey }, index) => {
      const file = join(directory, `hostkey-${index}.pem`);
      await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      return file;
    }),
  );
}

async function identityOf({ config }: NetworkPeer): Promise<Buffer> {
  return (await loadHostkey(config.hostkeyPath)).identity;
}

async function addressOf(peer: NetworkPeer): Promise<PeerAddress> {
  const ipv4 = Buffer.from(peer.host.ipv4.split('.').map(Number));
  return { identity: await identityOf(peer), kxPort: peer.config.kx?.outreachPort ?? 0, ipv4, ipv6: null };
}

/** The first and second hops of a peer that has not started; the second of the first ones counts as down until then. */
async function pin(
  peer: NetworkPeer,
  first: readonly NetworkPeer[],
  second: readonly NetworkPeer[],
  downUntil = 0,
): Promise<void> {
  const member = async (pinned: NetworkPeer, until: number) => ({
    identity: (await identityOf(pinned)).toString('hex'),
    ...{ address: pinned.host.ipv4, port: pinned.config.kx?.outreachPort },
    ...{ expiresAt: Date.now() + DAY_MS, downUntil: until, failures: 0 },
  });
  const path = join(peer.config.stateDir, 'kx');
  await mkdir(path, { recursive: true, mode: 0o700 });
  const text = JSON.stringify({
    version: 1,
    first: await Promise.all(first.map((peer, index) => member(peer, index === 0 ? 0 : downUntil))),
    second: await Promise.all(second.map((peer) => member(peer, 0))),
  });
  await writeFile(join(path, 'pinned.json'), text, { mode: 0o600 });
}

/** What came back of what was said: all, at first, at last. */
async function speak(caller: NetworkPeer, address: string, count: number) {
  const args = [TUNNEL_PROBE, 'echoes', address, String(SERVED_PORT), String(count)];
  const { roundTripsMs, odd } = (await runForJson(hosts, caller, args)) as {
    roundTripsMs: readonly (number | null)[];
    odd: number;
  };
  const last = roundTripsMs.slice(-100);
  return {
    ...{ sent: count, received: heard(roundTripsMs).length, odd },
    ...{ firstMs: median(roundTripsMs.slice(100, 200)), lastMs: median(last), last: heard(last).length },
  };
}

function heard(times: readonly (number | null)[]): number[] {
  return times.filter((time) => time !== null);
}

function median(times: readonly (number | null)[]): number | null {
  return heard(times).sort((a, b) => a - b)[heard(times).length >> 1] ?? null;
}

async function countersOf(peer: NetworkPeer): Promise<Record<string, number>> {
  // biome-ignore lint/suspicious/noExplicitAny: a status is JSON.
  const { state } = (await network.request(peer, 'kx', 'status')) as any;
  return { ...state.engine.counters, ...state.tunnels.counters };
}

function kxOf({ config: { kx } }: NetworkPeer): Promise<KxClient> {
  if (kx === null) throw new Error('no KX');
  return KxClient.connect({ host: kx.host, port: kx.port, timeoutMs: 5_000 });
}
