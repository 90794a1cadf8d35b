/**
 * Role: a call through every state, by command line, screen and signals, in a network of six real peers.
 *
 *   node call-states.js    runs itself in a sandbox and prints one line of JSON: StatesResults
 *
 * Not here: the three scripts (states-by-*.ts), what must hold (voip-states.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import { BridgedHosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { CallPerson, type PhoneState } from './call-person.js';
import { finishWith } from './finish.js';
import { type People, statesByCli } from './states-by-cli.js';
import { statesByScreen, takeSeat } from './states-by-screen.js';
import { statesBySignal } from './states-by-signal.js';
import { Checklist, type StatesResults } from './states-results.js';

const SELF = fileURLToPath(import.meta.url);
const NAMES = ['alice', 'bob', 'carol', 'dave'] as const;
/** Who only relay and store. */
const OTHERS = ['erin', 'frank'];
const REGISTERED_MS = 180_000;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  finishWith(await measure(directory));
}

async function measure(below: string): Promise<StatesResults> {
  const hosts = new BridgedHosts('peers');
  const network = new PeerNetwork(hosts, below);
  const checklist = new Checklist(tell, () => hangUpAll(network));
  try {
    const processes = await start(network);
    const people = await introduce(network);
    await statesByCli(checklist, people);
    const [alice, bob] = [await takeSeat(hosts, people.alice), await takeSeat(hosts, people.bob)];
    await statesByScreen(checklist, alice, bob);
    await statesBySignal(checklist, { alice, bob, ...processes });
    for (const { pane } of [alice, bob]) await pane.close();
  } finally {
    await network.stop();
  }
  return { checks: checklist.checks, brokenOff: checklist.brokenOff };
}

/** All by `peer up`, but bob, whose modules are processes by themselves. */
async function start(network: PeerNetwork) {
  let up: ChildProcess | undefined;
  let bobVoip: ChildProcess | undefined;
  let startBobVoip: (() => ChildProcess) | undefined;
  for (const name of [...NAMES, ...OTHERS]) {
    tell(`making ${name}'s peer …`);
    const made = await network.add(name);
    const shortRinging = (text: string) => text.replace(/^# RING_SECONDS =.*$/m, 'RING_SECONDS = 5');
    const peer = name === 'dave' ? await network.reconfigure(made, shortRinging) : made;
    const { file } = peer.config;
    if (!OTHERS.includes(name)) await network.runPeer(peer.host, ['id', 'new', 'main', '-c', file]);
    if (name === 'bob') {
      for (const module of ['dht', 'kx']) network.start(peer, module, [module, '-c', file]);
      startBobVoip = () => network.start(peer, 'voip', ['voip', '-c', file]);
      bobVoip = startBobVoip();
      continue;
    }
    const child = network.start(peer, 'up', ['up', '-c', file]);
    if (name === 'alice') up = child;
  }
  if (up === undefined || bobVoip === undefined || startBobVoip === undefined)
    throw new Error('alice or bob is missing');
  return { up, bobVoip, startBobVoip };
}

/** Waits until all can be called, and lets each know all others by name. */
async function introduce(network: PeerNetwork): Promise<People> {
  tell('waiting until everybody can be called …');
  const people = await Promise.all(NAMES.map((name) => personOf(network, peerOf(network, name))));
  for (const { peer } of people) {
    for (const { name, id } of people) {
      if (name === peer.host.name) continue;
      await network.runPeer(peer.host, ['contact', 'add', name, id, '-c', peer.config.file]);
    }
  }
  const [alice, bob, carol, dave] = people as [CallPerson, CallPerson, CallPerson, CallPerson];
  return { alice, bob, carol, dave };
}

async function personOf(network: PeerNetwork, peer: NetworkPeer): Promise<CallPerson> {
  let id = '';
  await network.waitFor(
    peer,
    'voip',
    'its registration',
    ({ identities }) => {
      id = identities[0]?.id ?? '';
      return identities[0]?.state === 'registered';
    },
    REGISTERED_MS,
  );
  return new CallPerson(network, peer, id);
}

async function hangUpAll(network: PeerNetwork): Promise<void> {
  for (const peer of network.peers) {
    try {
      const { state } = (await network.request(peer, 'voip', 'status')) as { state: PhoneState };
      for (const { id } of state.calls) await network.request(peer, 'voip', 'hangup', { call: id });
    } catch (error) {
      // One that has ended meanwhile, or a module that is gone.
      if (!(error instanceof PeerError)) throw error;
    }
  }
}

function peerOf(network: PeerNetwork, name: string): NetworkPeer {
  const peer = network.peers.find(({ host }) => host.name === name);
  if (peer === undefined) throw new Error(`there is no ${name}`);
  return peer;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
