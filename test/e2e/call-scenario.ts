/**
 * Role: the scenario of call.test.ts, run inside a sandbox: six whole peers, calls between two of them.
 *
 *   node call-scenario.js RESULT-FILE
 */

import type { ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgedHosts } from '../../src/eval/namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../../src/eval/peer-network.js';
import { prepareInside, sandboxDirectory } from '../../src/eval/sandbox.js';
import { formatPseudoIdentity, generatePseudoIdentity } from '../../src/identity/pseudo-identity.js';
import { testHostkeyPath } from '../support/hostkeys.js';

const PEERS = 6;
const [resultFile = ''] = process.argv.slice(2);
const results: Record<string, unknown> = {};

prepareInside();
const directory = sandboxDirectory() ?? '';
const network = new PeerNetwork(new BridgedHosts('peers'), directory);

const supervisors = new Map<NetworkPeer, ChildProcess>();

interface Identity {
  readonly name: string;
  readonly id: string;
  readonly state: string;
}

try {
  for (let index = 0; index < PEERS; index += 1) {
    const peer = await network.add(`p${index}`, [], await testHostkeyPath(index));
    if (index < 2) await network.runPeer(peer.host, ['id', 'new', `person${index}`, '-c', peer.config.file]);
    supervisors.set(peer, network.start(peer, 'up', ['up', '-c', peer.config.file]));
  }
  const [caller, callee] = network.peers as [NetworkPeer, NetworkPeer];
  for (const peer of [caller, callee]) {
    await network.waitFor(peer, 'voip', 'its pseudo-identity to be registered', (state) =>
      state.identities.every((identity: Identity) => identity.state === 'registered'),
    );
  }
  const ids = JSON.parse(
    await network.runPeer(callee.host, ['id', 'list', '-c', callee.config.file, '--json']),
  );
  const id: string = ids[0].id;
  await network.runPeer(caller.host, ['contact', 'add', 'friend', id, '-c', caller.config.file]);

  await network.request(caller, 'voip', 'fake-call', { ringMs: 1_000, talkMs: 3_000 });
  await network.waitFor(
    caller,
    'voip',
    'a fake call to be over, and what it was made of to be gone',
    ({ fakeCalls, identities }) => fakeCalls.answered + fakeCalls.failed > 0 && identities.length === 1,
  );
  await network.waitFor(caller, 'kx', 'its tunnels to end', ({ tunnels }) => tunnels.tunnels === 2);
  const { state } = (await network.request(caller, 'voip', 'status')) as { state: { fakeCalls: unknown } };
  results.fakeCalls = state.fakeCalls;

  results.accepted = await callAnd('friend', 'active', async () => {
    await network.runPeer(callee.host, ['voip', 'accept', '-c', callee.config.file]);
    await network.waitFor(caller, 'voip', 'packets of voice in both directions', ({ statistics }) => {
      const voice = statistics?.voice;
      return voice !== null && voice !== undefined && voice.sent > 100 && voice.received > 100;
    });
    const status = (await network.request(caller, 'voip', 'status')) as { state: { statistics: unknown } };
    results.statistics = status.state.statistics;
    await network.runPeer(caller.host, ['voip', 'mute', '-c', caller.config.file]);
    await network.runPeer(callee.host, ['voip', 'hangup', '-c', callee.config.file]);
  });
  results.declined = await callAnd(id, 'ringing', () =>
    network.runPeer(callee.host, ['voip', 'decline', '-c', callee.config.file]),
  );
  const nobody = formatPseudoIdentity(generatePseudoIdentity().publicKey);
  results.unknown = await callAnd(nobody, 'ended', async () => {});
  results.outlived = await outliveExchangePoint();
  results.noIdentity = await network
    .runPeer(caller.host, ['voip', 'call', 'nonsense', '-c', caller.config.file])
    .catch((error: Error) => error.message);
} catch (error) {
  results.failure = error instanceof Error ? error.stack : String(error);
  for (const peer of network.peers) {
    const log = await readFile(join(peer.directory, 'up.log'), 'utf8').catch(() => '');
    results[`${peer.host.name} log`] = log.slice(-1500);
  }
} finally {
  await network.stop();
  await writeFile(resultFile, JSON.stringify(results, null, 1));
}
process.exit(0);

/** Calls through the control socket; `then` runs when the callee's phone rings (or at once for no ring). */
async function callAnd(who: string, expected: string, then: () => Promise<unknown>): Promise<unknown> {
  const [caller, callee] = network.peers as [NetworkPeer, NetworkPeer];
  await network.request(caller, 'voip', 'call', { to: who });
  if (expected !== 'ended') {
    await network.waitFor(callee, 'voip', 'the telephone to ring', ({ call }) => call?.state === 'ringing');
  }
  await then();
  await network.waitFor(caller, 'voip', 'the call to end', ({ call }) => call?.state === 'ended');
  const status = (await network.request(caller, 'voip', 'status')) as { state: { call: unknown } };
  return status.state.call;
}

/** A call whose exchange point dies for good: how it went on, or `null` where none but the two themselves was one. */
async function outliveExchangePoint(): Promise<unknown> {
  const [caller, callee] = network.peers as [NetworkPeer, NetworkPeer];
  const others = network.peers.filter((peer) => peer !== caller && peer !== callee);
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const before = await Promise.all(others.map(splicesOf));
    await network.request(caller, 'voip', 'call', { to: 'friend' });
    await network.waitFor(callee, 'voip', 'the telephone to ring', ({ call }) => call?.state === 'ringing');
    await network.request(callee, 'voip', 'accept');
    await network.waitFor(caller, 'voip', 'voice', ({ statistics }) => statistics?.voice?.received > 50);
    const after = await Promise.all(others.map(splicesOf));
    const exchangePoint = others.find((_, index) => (after[index] as number) > (before[index] as number));
    if (exchangePoint !== undefined) return kill(exchangePoint);
    await network.request(caller, 'voip', 'hangup');
    await network.waitFor(callee, 'voip', 'the call to end', ({ calls }) => calls.length === 0);
  }
  return null;
}

async function kill(exchangePoint: NetworkPeer): Promise<unknown> {
  const [caller, callee] = network.peers as [NetworkPeer, NetworkPeer];
  const pids = await Promise.all(
    (['dht', 'kx', 'voip'] as const).map(async (module) => {
      const status = (await network.request(exchangePoint, module, 'status')) as unknown as { pid: number };
      return status.pid;
    }),
  );
  supervisors.get(exchangePoint)?.kill('SIGKILL');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const begun = performance.now();
  await network.waitFor(caller, 'voip', 'the interruption', ({ call }) => call?.interrupted === true);
  const interruptedAfterMs = performance.now() - begun;
  const isBack = ({ call }: { call: { state: string; interrupted: boolean } }) =>
    call.state === 'ended' || !call.interrupted;
  await network.waitFor(caller, 'voip', 'the call to go on', isBack);
  const resumedAfterMs = performance.now() - begun;
  const received = await voiceAt(caller);
  for (const peer of [caller, callee]) {
    await network.waitFor(peer, 'voip', 'voice again', ({ call, statistics }) => {
      const now = statistics?.voice?.received;
      return call.state === 'ended' || (peer === caller ? now > received + 100 : now > 0);
    });
  }
  const { state } = (await network.request(callee, 'voip', 'status')) as { state: { calls: unknown } };
  await network.request(caller, 'voip', 'hangup');
  return { interruptedAfterMs, resumedAfterMs, calls: state.calls };
}

/** Snapshots are up to half a second old; a call is up for longer when it is asked. */
async function splicesOf(peer: NetworkPeer): Promise<number> {
  const { state } = (await network.request(peer, 'kx', 'status')) as {
    state: { engine: { counters: { splices: number } } };
  };
  return state.engine.counters.splices;
}

async function voiceAt(peer: NetworkPeer): Promise<number> {
  const { state } = (await network.request(peer, 'voip', 'status')) as {
    state: { statistics: { voice: { received: number } } };
  };
  return state.statistics.voice.received;
}
