/**
 * Role: the scenario of call.test.ts, run inside a sandbox: six whole peers, calls between two of them.
 *
 *   node call-scenario.js RESULT-FILE
 */

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

interface Identity {
  readonly name: string;
  readonly id: string;
  readonly state: string;
}

try {
  for (let index = 0; index < PEERS; index += 1) {
    const peer = await network.add(`p${index}`, [], await testHostkeyPath(index));
    if (index < 2) await network.runPeer(peer.host, ['id', 'new', `person${index}`, '-c', peer.config.file]);
    network.start(peer, 'up', ['up', '-c', peer.config.file]);
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

  await network.request(caller, 'voip', 'fake-call', { restMs: 1_000, ringMs: 1_000, talkMs: 3_000 });
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
