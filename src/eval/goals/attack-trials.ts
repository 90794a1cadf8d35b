/**
 * Role: every attacker, one after the other, against twelve honest peers that go on telephoning.
 *
 *   node attack-trials.js [NAME …]    runs itself in a sandbox and prints one line of JSON: AttackTrial[]
 *
 * Invariants: first nobody attacks, as something to compare with; all processes are real; honest peers are in networks of their
 * own, the attacker is in another, and clients of an API are on the host of one who calls. Between attacks the attacker's peer is
 * an honest one, so that others come to rely on it.
 *
 * Not here: a single trial (attack-trial.ts), what the figures must be (attacks.ts).
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadHostkey } from '../../identity/hostkey.js';
import { pooledHostkeys } from '../hostkey-pool.js';
import { BridgedHosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { pinnersFirst } from './attack-places.js';
import { type AttackTrial, type ListedAttacker, PEERS } from './attack-results.js';
import { Mallory, Trials } from './attack-trial.js';
import { Phone } from './attacked-calls.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const PRIMES = fileURLToPath(new URL('../../../../.cache/goals/primes.txt', import.meta.url));
/** Circuits change while an attacker is there. */
const ROTATE_SECONDS = 30;
const JOINED_MS = 240_000;
/** Between attackers: honest peers find out that the last one is gone. */
const REST_MS = 10_000;
const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  const hosts = new BridgedHosts('peers', { apart: true });
  hosts.attach();
  const network = new PeerNetwork(hosts, directory);
  finishWith(await measure(network, directory, process.argv.slice(2)).finally(() => network.stop()));
}

async function measure(
  network: PeerNetwork,
  below: string,
  names: readonly string[],
): Promise<AttackTrial[]> {
  const keys = await hostkeyFiles(below);
  for (let index = 0; index < PEERS; index += 1) {
    tell(`making peer ${index + 1} of ${PEERS} …`);
    await addPeer(network, `p${index}`, keys[index] as string);
  }
  const honest = [...network.peers];
  const peer = await addPeer(network, 'mallory', keys[PEERS] as string, honest);
  const { identity } = await loadHostkey(peer.config.hostkeyPath);
  const mallory = new Mallory(network, peer, identity.toString('hex'));
  for (const [index, peer] of honest.entries()) {
    await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
    network.start(peer, 'up', ['up', '--auto-answer', '-c', peer.config.file]);
    if (index > 0) continue;
    // Hops are pinned at the beginning and for long: the attacker has been there before nearly all.
    mallory.behave();
    await network.waitFor(mallory.peer, 'dht', 'its DHT to know another', knows(1), JOINED_MS);
  }
  tell('waiting until all know each other and can be called …');
  for (const peer of honest) {
    await network.waitFor(peer, 'dht', 'its DHT to know all others', knows(PEERS), JOINED_MS);
  }
  // Those who have pinned it are in the calls that last.
  const phones = await Promise.all(honest.map((peer) => Phone.of(network, peer)));
  const inOrder = await pinnersFirst(honest, mallory.identity);
  const trials = new Trials(
    network,
    inOrder,
    inOrder.map((peer) => phones[honest.indexOf(peer)] as Phone),
  );
  await trials.contents.fill();
  const listed = JSON.parse(
    await network.runPeer(mallory.peer.host, ['test', 'attackers', '--json']),
  ) as ListedAttacker[];
  const results = [await trials.tryOne(null, mallory)];
  for (const attacker of listed) {
    if (names.length > 0 && !names.includes(attacker.name)) continue;
    results.push(await trials.tryOne(attacker, mallory));
    await pause(REST_MS);
  }
  for (const phone of phones) phone.close();
  return results;
}

function knows(count: number): (state: { node: { contacts?: number } }) => boolean {
  return ({ node }) => (node.contacts ?? 0) >= count;
}

/** `others`: whom it starts from, all of them; by default the first peer. */
async function addPeer(
  network: PeerNetwork,
  name: string,
  hostkey: string,
  others: readonly NetworkPeer[] = [],
): Promise<NetworkPeer> {
  const peer = await network.add(name, ({ management }) => ['--api-host', management], hostkey);
  const hostlist = others.map(({ host }) => host.ipv4).join(', ');
  return network.reconfigure(peer, (text) =>
    text
      .replace('[DHT]\n', '[DHT]\nDIVERSITY = on\n')
      .replace(/^# ROTATE = .*$/m, `ROTATE = ${ROTATE_SECONDS}`)
      .replace(/^HOSTLIST = .*$/m, (line) => (hostlist === '' ? line : `HOSTLIST = ${hostlist}`)),
  );
}

/** PEM files of hostkeys, one for each honest peer and one more. */
async function hostkeyFiles(below: string): Promise<string[]> {
  const keys = await pooledHostkeys(PRIMES, PEERS + 1);
  return Promise.all(
    keys.map(async ({ privateKey }, index) => {
      const file = join(below, `hostkey-${index}.pem`);
      await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      return file;
    }),
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
