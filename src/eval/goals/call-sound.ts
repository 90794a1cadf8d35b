/**
 * Role: measures what one hears of a call: delay from mouth to ear, quality, processor time.
 *
 *   node call-sound.js DELAY-MS ECHO-CANCELLATION SECONDS SERVER    runs itself in a sandbox and prints one line of JSON: CallSoundResults
 *
 * Invariants: all is real: processes, sound servers, tunnels of three hops and three, the call by the commands of a person.
 *
 * Not here: what the figures must be (voip-delay.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Score } from '../demo/lab.js';
import { waitUntilRegistered, waitUntilUp } from '../demo/neighbourhood.js';
import type { Person } from '../demo/person.js';
import { Progress } from '../demo/progress.js';
import { callFigures, TelephoneCall } from '../demo/telephone-call.js';
import { BridgedHosts, type Hosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { TICKS_PER_SECOND, ticksOf } from '../processor-time.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { identityOf, settlePerson } from '../settled-person.js';
import { speakInTurn } from '../speech-in-turn.js';
import { WanHosts } from '../wan-hosts.js';
import type { CallSoundOptions, CallSoundResults } from './call-sound-results.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const NAMES = ['carol', 'dave', 'alice', 'bob', 'erin', 'frank', 'grace', 'heidi'];
const SEED = 20_260_101;
/** Jitter buffers settle. */
const SETTLE_MS = 5_000;
/** Who are in the call. */
const SPEAKERS = ['alice', 'bob'];

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  const [delayMs = '0', echo = 'no', seconds = '60', server = 'pulse'] = process.argv.slice(2);
  const options: CallSoundOptions = {
    server: server === 'pipewire' ? 'pipewire' : 'pulse',
    delayMs: Number(delayMs),
    echoCancellation: echo === 'yes',
    seconds: Number(seconds),
  };
  finishWith(await measure(options, directory));
}

async function measure(options: CallSoundOptions, below: string): Promise<CallSoundResults> {
  const { delayMs, seconds } = options;
  const hosts: Hosts =
    delayMs === 0
      ? new BridgedHosts('network')
      : await WanHosts.make(NAMES, { delayMs, jitterMs: 0, lossPercent: 0 }, SEED);
  const network = new PeerNetwork(hosts, below);
  const progress = new Progress(process.stderr);
  try {
    const supervisors = new Map<NetworkPeer, ChildProcess>();
    const people: Person[] = [];
    for (const name of NAMES) {
      const added = await network.add(name);
      const person = SPEAKERS.includes(name) ? await settlePerson(network, added, options) : null;
      if (person !== null) people.push(person);
      const peer = person?.peer ?? added;
      const answers = name === 'bob' ? ['--auto-answer'] : [];
      const args = ['up', '-c', peer.config.file, ...answers];
      supervisors.set(peer, network.start(peer, 'up', args, person?.environment));
      progress.step(`${name} is started`);
    }
    await waitUntilUp(network, progress);
    const [alice, bob] = people as [Person, Person];
    for (const { peer } of people) await waitUntilRegistered(network, peer, progress);
    const call = new TelephoneCall(network, alice.peer, await identityOf(network, bob.peer));
    await call.answered((view) => progress.step(`alice: ${view.state}`));
    await pause(SETTLE_MS);

    const supervisor = supervisors.get(alice.peer)?.pid ?? 0;
    const pids = { dht: 0, kx: 0, voip: 0 };
    for (const module of ['dht', 'kx', 'voip'] as const) {
      const status = (await network.request(alice.peer, module, 'status')) as unknown as { pid: number };
      pids[module] = status.pid;
    }
    const all = [supervisor, ...Object.values(pids)];
    const before = { peer: await ticksOf(all), voip: await ticksOf([pids.voip]) };
    const begun = performance.now();
    const scores: Score[] = [];
    while (performance.now() - begun < seconds * 1000) {
      scores.push(...(await speakInTurn(alice, bob, below)));
      progress.step(`${Math.round((performance.now() - begun) / 1000)} of ${seconds} s`);
    }
    const ticks = ((performance.now() - begun) / 1000) * TICKS_PER_SECOND;
    const cpu = {
      peer: ((await ticksOf(all)) - before.peer) / ticks,
      voip: ((await ticksOf([pids.voip])) - before.voip) / ticks,
    };
    const { received, lost, concealed, realtime } = (await callFigures(network, bob.peer)).voice;
    await call.hangUp();
    return {
      ...options,
      delaysMs: scores.flatMap(({ delaysMs }) => [...delaysMs]),
      pesq: scores.flatMap(({ pesqWb }) => (pesqWb === null ? [] : [pesqWb])),
      cpu,
      ...{ received, lost, concealed, realtime },
    };
  } finally {
    await network.stop();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
