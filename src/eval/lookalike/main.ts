/**
 * Role: real and fake calls in a network of real peers, and what a listener on all links sees of them.
 *
 *   node main.js [CALLS]    runs itself in a sandbox and prints one line of JSON: LookalikeResults
 *
 * Invariants: rings and lengths of both kinds are drawn alike; before each call its peers have rested for a while.
 *
 * Not here: what is looked at (features.ts), whether it tells anything (classify.ts), what must hold (goals/voip-lookalike.ts).
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitUntilRegistered, waitUntilUp } from '../demo/neighbourhood.js';
import { Person } from '../demo/person.js';
import { Progress } from '../demo/progress.js';
import { finishWith } from '../goals/finish.js';
import { BridgedHosts } from '../namespaces.js';
import { PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { featuresOf } from './features.js';
import { Listener, readSeen } from './packets.js';
import { phasesOf } from './phases.js';
import type { LookalikeResults, Observation, Trial } from './results.js';
import { TrialPair } from './trial-pair.js';

const SELF = fileURLToPath(import.meta.url);
const PAIRS = 6;
const CALLS = 20;
const BRIDGE = 'network';

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  finishWith(await observe(Number(process.argv[2] ?? CALLS), directory));
}

async function observe(calls: number, below: string): Promise<LookalikeResults> {
  const network = new PeerNetwork(new BridgedHosts(BRIDGE), below);
  const progress = new Progress(process.stderr);
  const names = Array.from({ length: 2 * PAIRS }, (_, index) => `p${index}`);
  try {
    const people: Person[] = [];
    for (const name of names) {
      people.push(await settle(network, name));
      progress.step(`${name} is started`);
    }
    await waitUntilUp(network, progress);
    for (const { peer } of people) await waitUntilRegistered(network, peer, progress);
    const phases = await phasesOf(
      network,
      [people[0], people[1]] as [Person, Person],
      BRIDGE,
      below,
      (text) => progress.step(text),
    );
    const listener = await Listener.start(BRIDGE, join(below, 'all.pcap'));
    const trials: Trial[] = [];
    const failed: string[] = [];
    const real = () => trials.filter(({ kind }) => kind === 'caller').length;
    const fake = () => trials.filter(({ kind }) => kind === 'fake').length;
    await Promise.all(
      Array.from({ length: PAIRS }, async (_, index) => {
        const pair = await TrialPair.of(
          network,
          people.slice(2 * index, 2 * index + 2).map(({ peer }) => peer),
        );
        while (real() < calls || fake() < calls) {
          const found = real() < calls && (real() <= fake() || fake() >= calls) ? pair.real() : pair.fakes();
          await found.then(
            (made) => trials.push(...made),
            (error: Error) => failed.push(error.message),
          );
          progress.step(`${real()} real calls, ${fake()} fake ones, ${failed.length} failed`);
        }
      }),
    );
    await listener.stop();
    progress.step('reading the capture');
    const seen = await readSeen(listener.file);
    const observations = trials.flatMap((trial): Observation[] => {
      const peer = network.peers.find(({ host }) => host.name === trial.peer);
      const host = Number(peer?.host.ipv4.split('.').at(-1));
      const packets = seen.get(host);
      if (packets === undefined) throw new Error(`nothing was seen of ${trial.peer}`);
      const features = featuresOf(packets, trial, peer?.config.kx?.outreachPort ?? 0);
      if (features === null) failed.push(`${trial.peer}: the rate did not rise`);
      return features === null ? [] : [{ kind: trial.kind, peer: trial.peer, features }];
    });
    return { phases, observations, failed };
  } finally {
    await network.stop();
  }
}

async function settle(network: PeerNetwork, name: string): Promise<Person> {
  const added = await network.add(name);
  const sound = new Person(network, added);
  await sound.startSound();
  const peer = await network.reconfigure(added, (text) =>
    text
      .replace(/^# AUDIO_INPUT =.*$/m, `AUDIO_INPUT = ${sound.microphone}`)
      .replace(/^# AUDIO_OUTPUT =.*$/m, `AUDIO_OUTPUT = ${sound.loudspeaker}`)
      // So few that none comes by itself, but the one to be called stands ready.
      .replace(/^# FAKE_CALLS =.*$/m, 'FAKE_CALLS = 1'),
  );
  await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
  network.start(peer, 'up', ['up', '-c', peer.config.file], sound.environment);
  const settled = new Person(network, peer);
  return settled;
}
