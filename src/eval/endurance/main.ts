/**
 * Role: an hour of calls in a network of eight real peers, in which processes die and devices vanish.
 *
 *   node main.js MINUTES    runs itself in a sandbox and prints one line of JSON: EnduranceResults
 *
 * Invariants: two calls at a time, nobody in two of them; nothing is done to alice, bob and carol but calls and their devices, so their
 * processes are the same from beginning to end.
 *
 * Not here: who calls whom (calls-by-chance.ts), what is done in a call (scripts.ts), what goes wrong (mishaps.ts), what must hold (goals/voip-endurance.ts).
 */

import { fileURLToPath } from 'node:url';
import { waitUntilRegistered, waitUntilUp } from '../demo/neighbourhood.js';
import { Person } from '../demo/person.js';
import { Progress } from '../demo/progress.js';
import { finishWith } from '../goals/finish.js';
import { BridgedHosts } from '../namespaces.js';
import { PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { speakInTurn } from '../speech-in-turn.js';
import { CallsByChance } from './calls-by-chance.js';
import { between } from './chance.js';
import { Footprints } from './footprints.js';
import { Mishaps } from './mishaps.js';
import { Phone } from './phone.js';
import type { EnduranceResults } from './results.js';

const SELF = fileURLToPath(import.meta.url);
const WATCHED = ['alice', 'bob', 'carol'];
const VICTIM = 'dave';
const RELAYS = ['erin', 'frank', 'grace', 'heidi'];
const MODULES = ['dht', 'kx', 'voip'] as const;
/** Mean; so that tunnels change many times in an hour. */
const ROTATE_SECONDS = 60;
const LOOK_EVERY_MS = 10_000;
const MISHAP_EVERY_MS = [30_000, 80_000] as const;
/** All that is to go away by itself has gone. */
const REST_MS = 120_000;
const ASKED_MS = 1_000;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  finishWith(await endure(Number(process.argv[2] ?? 60), directory));
}

async function endure(minutes: number, below: string): Promise<EnduranceResults> {
  const network = new PeerNetwork(new BridgedHosts('network'), below);
  const progress = new Progress(process.stderr);
  try {
    const people = await start(network, progress);
    const phones = await Promise.all(people.map(async ({ peer }) => phoneOf(network, peer)));
    const watched = people.filter(({ name }) => WATCHED.includes(name));
    const footprints = await watch(network, watched);
    const relays = network.peers.filter(({ host }) => RELAYS.includes(host.name));
    const victim = people.find(({ name }) => name === VICTIM)?.peer as Person['peer'];
    const mishaps = new Mishaps({ network, relays, victim, listeners: watched });
    const left: string[] = [];

    const begunMs = performance.now();
    const isOver = () => performance.now() - begunMs > minutes * 60_000;
    const looking = setInterval(
      () => void footprints.look().catch((error) => left.push(error.message)),
      LOOK_EVERY_MS,
    );
    const troubles = trouble(mishaps, isOver, progress);
    const chance = new CallsByChance({
      phones,
      mishaps,
      isOver,
      tell: (text) => progress.step(text),
    });
    await Promise.all([troubles, chance.run(), chance.run()]);
    clearInterval(looking);

    progress.step('all hang up; waiting until all is at rest');
    left.push(...chance.stuck, ...(await atRest(network, phones, footprints, mishaps)));
    const pesqAfterwards = await lastCall(people, phones, below, left);
    const counters = await Promise.all(watched.map(({ peer }) => tunnelCounters(network, peer)));
    // Its end too takes its time on the way to the other side.
    left.push(...(await atRest(network, phones, footprints, mishaps)));
    const sum = (name: string) => counters.reduce((total, found) => total + (found[name] ?? 0), 0);
    return {
      ...{ minutes, calls: chance.calls, mishaps: mishaps.counts, left, pesqAfterwards },
      ...{ rotations: sum('rotated'), repairs: sum('repaired') },
      footprints: await footprints.results(),
    };
  } finally {
    await network.stop();
  }
}

/** All by `peer up`; those who call have sound and a pseudo-identity. */
async function start(network: PeerNetwork, progress: Progress): Promise<Person[]> {
  const people: Person[] = [];
  for (const name of [...RELAYS, ...WATCHED, VICTIM]) {
    const added = await network.add(name);
    const often = (text: string) => text.replace('# ROTATE = 600', `ROTATE = ${ROTATE_SECONDS}`);
    if (RELAYS.includes(name)) {
      const peer = await network.reconfigure(added, often);
      network.start(peer, 'up', ['up', '-c', peer.config.file]);
    } else {
      const sound = new Person(network, added);
      await sound.startSound();
      const peer = await network.reconfigure(added, (text) =>
        often(text)
          .replace(/^# AUDIO_INPUT =.*$/m, `AUDIO_INPUT = ${sound.microphone}`)
          .replace(/^# AUDIO_OUTPUT =.*$/m, `AUDIO_OUTPUT = ${sound.loudspeaker}`),
      );
      await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
      network.start(peer, 'up', ['up', '-c', peer.config.file], sound.environment);
      people.push(sound);
    }
    progress.step(`${name} is started`);
  }
  await waitUntilUp(network, progress);
  for (const { peer } of people) await waitUntilRegistered(network, peer, progress);
  return people;
}

async function phoneOf(network: PeerNetwork, peer: Person['peer']): Promise<Phone> {
  const phone = new Phone(network, peer, '');
  const { identities } = await phone.state();
  return new Phone(network, peer, identities[0]?.id ?? '');
}

async function watch(network: PeerNetwork, people: readonly Person[]): Promise<Footprints> {
  const footprints = new Footprints();
  const processes: { readonly name: string; readonly pid: number }[] = [];
  for (const { name, peer } of people) {
    for (const module of MODULES) {
      const { pid } = (await network.request(peer, module, 'status')) as unknown as { pid: number };
      processes.push({ name: `${name}'s ${module}`, pid });
    }
  }
  // The connections by which they were asked are to be gone.
  await pause(ASKED_MS);
  for (const { name, pid } of processes) await footprints.add(name, pid);
  return footprints;
}

async function trouble(mishaps: Mishaps, isOver: () => boolean, progress: Progress): Promise<void> {
  for (;;) {
    await pauseUnless(isOver, between(MISHAP_EVERY_MS));
    if (isOver()) return;
    await mishaps.one();
    progress.step(`mishaps: ${JSON.stringify(mishaps.counts)}`);
  }
}

/** What is not as it was before the first call, once it had time to become so. */
async function atRest(
  network: PeerNetwork,
  phones: readonly Phone[],
  footprints: Footprints,
  { counts }: Mishaps,
): Promise<string[]> {
  const left: string[] = [];
  const end = performance.now() + REST_MS;
  for (const phone of phones) {
    if (!(await phone.clear())) left.push(`${phone.name} has a call that does not end`);
    const registered = ({ identities }: Awaited<ReturnType<Phone['state']>>) =>
      identities.every(({ state }) => state === 'registered') || undefined;
    await phone
      .until('registered', Math.max(end - performance.now(), 1_000), registered)
      .catch((error: Error) => left.push(error.message));
  }
  const untilAsBefore = async () => {
    while (!(await footprints.isAsBefore()) && performance.now() < end) await pause(2_000);
  };
  await untilAsBefore();
  for (const { name, peer } of phones) {
    const { state } = (await network.request(peer, 'kx', 'status')) as {
      state: { tunnels: { tunnels: number } };
    };
    // One for each exchange point of the pseudo-identity. Where the VoIP module was killed in a call, that of the call stays for an hour.
    const most = 2 + (name === VICTIM ? (counts["party's voip killed"] ?? 0) : 0);
    if (state.tunnels.tunnels > most) left.push(`${name} has ${state.tunnels.tunnels} tunnels`);
  }
  // Again, as whoever asks a process has a connection to it.
  await untilAsBefore();
  return left;
}

/** How speech is heard after all that, both ways. */
async function lastCall(
  people: readonly Person[],
  phones: readonly Phone[],
  below: string,
  left: string[],
): Promise<(number | null)[]> {
  const [alice, bob] = WATCHED.map((name) => phones.find((phone) => phone.name === name)) as [Phone, Phone];
  const [one, other] = WATCHED.map((name) => people.find((person) => person.name === name)) as [
    Person,
    Person,
  ];
  try {
    await alice.request('call', { to: bob.id });
    await bob.until('rung at', 30_000, ({ calls }) => (calls[0]?.state === 'ringing' ? true : undefined));
    await bob.request('accept');
    for (const phone of [alice, bob])
      await phone.until('in a call', 30_000, ({ calls }) =>
        calls[0]?.state === 'active' ? true : undefined,
      );
    await pause(5_000);
    const scores = await speakInTurn(one, other, below);
    await alice.clear();
    return scores.map(({ pesqWb }) => pesqWb);
  } catch (error) {
    left.push(`the last call: ${error instanceof Error ? error.message : error}`);
    return [null, null];
  }
}

async function tunnelCounters(
  network: PeerNetwork,
  peer: Person['peer'],
): Promise<Readonly<Record<string, number>>> {
  const status = (await network.request(peer, 'kx', 'status')) as {
    state: { tunnels: { counters: Record<string, number> } };
  };
  return status.state.tunnels.counters;
}

/** Returns early when all is over. */
async function pauseUnless(isOver: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end && !isOver()) await pause(500);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
