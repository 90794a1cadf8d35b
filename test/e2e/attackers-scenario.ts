/**
 * Role: the scenario of attackers.test.ts, run inside a sandbox: three relays and a callee that are honest, and callers each of whom has
 * another attacker for its first hop; then attackers against the honest ones while a call goes on.
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

/** With what a call through them says in all, 50 a second. */
const RELAYS = { drop: 600, delay: 1_250, replay: 300, modify: 600, tag: 300, crash: 700 } as const;
const BESIDE_FLOODS = 400;
const HONEST = 4;
const DAY_MS = 86_400_000;
/** Long enough for a tunnel to be built, on a machine that does nothing else. */
const LEAST_DOWN_MS = 4_000;
const [resultFile = ''] = process.argv.slice(2);

const results: Record<string, unknown> = {};
prepareInside();
const hosts = new BridgedHosts('peers');
hosts.attach();
const directory = sandboxDirectory() ?? '';
const network = new PeerNetwork(hosts, directory);

try {
  const relays = Object.keys(RELAYS) as (keyof typeof RELAYS)[];
  const own = await pooledKeyFiles(relays.length + 2);
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
  const bad = new Map<string, NetworkPeer>();
  const running = new Map<string, ChildProcess>();
  for (const name of [...relays, 'hijack']) {
    bad.set(name, await add(`bad-${name}`, own.pop() ?? ''));
  }
  const owned = generatePseudoIdentity();
  const attack = (name: string, peer: NetworkPeer, ...more: readonly string[]) => {
    const args = ['test', 'attacker', `kx-${name}`, '-c', peer.config.file, '--seed', '7', '--json', ...more];
    running.set(name, network.start(peer, name, args));
  };
  for (const name of relays) attack(name, bad.get(name) as NetworkPeer);
  attack('hijack', bad.get('hijack') as NetworkPeer, '--key', owned.publicKey.toString('hex'));
  const callers = new Map<string, NetworkPeer>();
  // They never meet, so that one identity does for all.
  const hostkey = own.pop() ?? '';
  for (const name of [...relays, 'hijack']) callers.set(name, await add(`c-${name}`, hostkey));
  await begun('hijack');
  for (const peer of honest) await network.waitFor(peer, 'kx', 'the KX', () => true);

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

  await Promise.all([
    ...relays.map(async (name) => {
      const caller = callers.get(name) as NetworkPeer;
      const address = await callThrough(caller, bad.get(name) as NetworkPeer);
      const said = await speak(caller, address, RELAYS[name]);
      results[name] = { ...said, caller: await countersOf(caller), done: await doneBy(name) };
    }),
    stealCaller(callers.get('hijack') as NetworkPeer, bad.get('hijack') as NetworkPeer, first, second),
  ]);
  results.honest = await Promise.all(honest.map(countersOf));
  results.hijackDone = await doneBy('hijack');
  results.stopped = await Promise.all([...running.keys()].map(stopped));

  // Floods: a call over honest hops goes on beside them.
  const caller = callers.get('tag') as NetworkPeer;
  for (const [name, host] of [
    ['flood', 'drop'],
    ['malformed', 'delay'],
  ] as const) {
    attack(name, bad.get(host) as NetworkPeer);
    await begun(name);
  }
  const kx = await kxOf(caller);
  kx.destroy(pseudoIdentity);
  const again = await kx.buildOutgoing(request);
  const beside = await speak(caller, [...again.ipv4].join('.'), BESIDE_FLOODS);
  results.beside = { ...beside, flood: await doneBy('flood'), malformed: await doneBy('malformed') };
  results.afterFloods = await Promise.all(honest.map(countersOf));
  results.stoppedFloods = await Promise.all([stopped('flood'), stopped('malformed')]);

  /** A tunnel that goes through the attacker, whose caller has another way as well by the time that this resolves; its address. */
  async function callThrough(caller: NetworkPeer, attacker: NetworkPeer): Promise<string> {
    for (let downMs = LEAST_DOWN_MS; ; downMs *= 2) {
      const until = Date.now() + downMs;
      await pin(caller, [attacker, first], [second, callee], until);
      const kx = network.start(caller, 'kx', ['kx', '-c', caller.config.file]);
      await network.waitFor(caller, 'kx', 'the KX', () => true);
      // One that crashes may do it now.
      const ready = await (await kxOf(caller)).buildOutgoing(request).catch(() => null);
      if (ready !== null && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, until - Date.now()));
        return [...ready.ipv4].join('.');
      }
      // It may have taken the other way, where it took so long.
      const ended = new Promise((resolve) => kx.once('exit', resolve));
      kx.kill('SIGTERM');
      await ended;
    }
  }

  /** A call by way of an exchange point that splices callers to itself, whose tunnel key the caller knows. */
  async function stealCaller(caller: NetworkPeer, thief: NetworkPeer, ...hops: [NetworkPeer, NetworkPeer]) {
    const [hop, other] = hops;
    await pin(caller, [hop, other], [other, hop, callee, exchange]);
    network.start(caller, 'kx', ['kx', '-c', caller.config.file]);
    await network.waitFor(caller, 'kx', 'the KX', () => true);
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
    const child = running.get(name);
    const ended = new Promise((resolve) => child?.once('close', resolve));
    child?.kill('SIGTERM');
    const code = await ended;
    return `${name} ${code} ${/"state":"over"/.test(await logOf(name)) ? 'over' : 'without a word'}`;
  }

  async function begun(name: string): Promise<void> {
    const end = Date.now() + 60_000;
    while (!/"state":"attacking"/.test(await logOf(name))) {
      if (Date.now() > end) throw new Error(`kx-${name} does not begin`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function logOf(name: string): Promise<string> {
    const host = { flood: 'drop', malformed: 'delay' }[name] ?? name;
    return readFile(join(bad.get(host)?.directory ?? '', `${name}.log`), 'utf8').catch(() => '');
  }
} catch (error) {
  results.failure = error instanceof Error ? error.stack : String(error);
  for (const peer of network.peers) {
    for (const log of ['dht.log', 'kx.log', `${peer.host.name.replace('bad-', '')}.log`]) {
      const text = await readFile(join(peer.directory, log), 'utf8').catch(() => '');
      if (text !== '') results[`${peer.host.name} ${log}`] = text.slice(-1500);
    }
  }
} finally {
  await network.stop();
  await writeFile(resultFile, JSON.stringify(results, null, 1));
}
process.exit(0);

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
