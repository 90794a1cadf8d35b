/**
 * Role: calls of a peer whose VoIP module, KX and DHT meet only through proxies that delay, double and cut.
 *
 *   node proxied-call.js [CALLS]    runs itself in a sandbox and prints one line of JSON: ProxiedResults
 *
 * Invariants: by configuration alone, as the specification wants it (3.4): the config file names the proxies' ports, and the DHT and
 * the KX are told others on their command line. Calls go both ways in turn.
 *
 * Not here: what must hold (testing-proxied.ts).
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Phone, type PhoneCall } from '../endurance/phone.js';
import { BridgedHosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { finishWith } from './finish.js';
import type { ProxiedCall, ProxiedResults } from './proxied-call-results.js';

const SELF = fileURLToPath(import.meta.url);
const CALLS = 40;
const OTHERS = ['bob', 'carol', 'dave', 'erin', 'frank'];
const SEED = '7';
/** Where the modules themselves listen; their config names the proxies. */
const OWN_PORT = { dht: 13_086, kx: 13_087 } as const;
const UP_MS = 180_000;
const RING_MS = 60_000;
const LISTEN_MS = 30_000;
const RULES = {
  rules: [
    { name: 'slow', action: 'delay', delayMs: 2_000, probability: 0.05 },
    { name: 'twice', action: 'duplicate', probability: 0.05 },
    { name: 'cut-once', action: 'cut', place: 'inside', after: 5, times: 1 },
  ],
};

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  finishWith(await measure(Number(process.argv[2] ?? CALLS), directory));
}

async function measure(count: number, below: string): Promise<ProxiedResults> {
  const network = new PeerNetwork(new BridgedHosts('peers'), below);
  try {
    for (const name of OTHERS) {
      tell(`making ${name}'s peer …`);
      const peer = await network.add(name);
      if (name === 'bob') await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
      network.start(peer, 'up', ['up', '-c', peer.config.file]);
    }
    const alice = await proxied(network);
    const bob = network.peers[0] as NetworkPeer;
    const phones = await Promise.all([phoneOf(network, alice), phoneOf(network, bob)]);
    const calls: ProxiedCall[] = [];
    for (let number = 0; number < count; number += 1) {
      const [caller, callee] = number % 2 === 0 ? phones : [phones[1], phones[0]];
      calls.push(await callUp(caller as Phone, callee as Phone));
      if (number % 5 === 4) tell(`${number + 1} of ${count} calls`);
    }
    return { calls, ...(await applied(alice)) };
  } finally {
    await network.stop();
  }
}

/** Each module is a process of its own, and a proxy before the DHT and the KX. */
async function proxied(network: PeerNetwork): Promise<NetworkPeer> {
  tell("making alice's peer, and her proxies …");
  const peer = await network.add('alice');
  const { file, dht, kx } = peer.config;
  await network.runPeer(peer.host, ['id', 'new', 'main', '-c', file]);
  const rules = join(peer.directory, 'rules.json');
  await writeFile(rules, JSON.stringify(RULES));
  for (const [module, config] of [
    ['dht', dht],
    ['kx', kx],
  ] as const) {
    const listen = `${config?.host}:${config?.port}`;
    const target = `${config?.host}:${OWN_PORT[module]}`;
    const log = join(peer.directory, `${module}-proxy.ndjson`);
    const ends = ['--listen', listen, '--target', target];
    network.start(peer, module, [module, '-c', file, '--port', String(OWN_PORT[module])]);
    network.start(peer, `${module}-proxy`, [
      ...['test', 'proxy', module, ...ends],
      ...['--rules', rules, '--seed', SEED, '--log', log],
    ]);
  }
  network.start(peer, 'voip', ['voip', '-c', file]);
  return peer;
}

async function phoneOf(network: PeerNetwork, peer: NetworkPeer): Promise<Phone> {
  const registered = await new Phone(network, peer, '').until('registered', UP_MS, ({ identities }) =>
    identities.find(({ state }) => state === 'registered'),
  );
  return new Phone(network, peer, registered.id);
}

/** Dials, is answered, is heard, and hangs up. */
async function callUp(caller: Phone, callee: Phone): Promise<ProxiedCall> {
  const begun = performance.now();
  try {
    const { id } = (await caller.request('call', { to: callee.id })) as PhoneCall;
    const ringing = await callee.until('rung at', RING_MS, ({ calls }) =>
      calls.find(({ state, direction }) => state === 'ringing' && direction === 'incoming'),
    );
    const ringingAfterMs = Math.round(performance.now() - begun);
    await callee.request('accept', { call: ringing.id });
    for (const phone of [caller, callee])
      await phone.until('heard', LISTEN_MS, ({ statistics }) =>
        (statistics?.voice?.received ?? 0) > 50 ? true : undefined,
      );
    await caller.request('hangup', { call: id });
    return { caller: caller.name, ringingAfterMs };
  } catch (error) {
    const { call } = await caller.state().catch(() => ({ call: null }));
    const fault = `${error instanceof Error ? error.message : error}; ${caller.name}: ${JSON.stringify(call)}`;
    return { caller: caller.name, fault };
  } finally {
    for (const phone of [caller, callee]) await phone.clear();
  }
}

/** What the proxies have noted. */
async function applied({
  directory: below,
}: NetworkPeer): Promise<Pick<ProxiedResults, 'messages' | 'applied'>> {
  const counts: Record<string, number> = {};
  let messages = 0;
  for (const module of ['dht', 'kx'] as const) {
    const log = await readFile(join(below, `${module}-proxy.ndjson`), 'utf8');
    for (const line of log.trim().split('\n')) {
      const { event, rules = [] } = JSON.parse(line) as { event: string; rules?: { rule: string }[] };
      if (event === 'message') messages += 1;
      for (const { rule } of rules) counts[`${module} ${rule}`] = (counts[`${module} ${rule}`] ?? 0) + 1;
    }
  }
  return { messages, applied: counts };
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
