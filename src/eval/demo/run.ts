/**
 * Role: the demo from the first peer to the last figure; runs inside a sandbox.
 *
 * Invariants: all is real: processes, keys, devices, the call by the commands that a person types.
 *
 * Not here: the sandbox (main.ts), the verdict (summary.ts).
 */

import { join } from 'node:path';
import { BridgedHosts } from '../namespaces.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import type { Keepsake } from './keepsake.js';
import { LabTask, type RecordedSource, readDatagramSizes, score } from './lab.js';
import { makePeers, waitUntilRegistered, waitUntilUp } from './neighbourhood.js';
import { Person, type Voice } from './person.js';
import type { Progress } from './progress.js';
import type { Direction, Measurements } from './summary.js';
import { type CallView, callFigures, TelephoneCall, type VoiceFigures } from './telephone-call.js';

const BRIDGE = 'network';
/** Silence before, between and after what is said: longer than any delay that a call may have. */
const PAUSE_MS = 2_000;

const VOICES: Readonly<Record<string, Voice>> = {
  alice: {
    voice: 'en-us+f3',
    text:
      'Hello Bob, this is Alice. Do you remember the small harbour that we saw last summer? ' +
      'Seven boats were painted bright yellow, and an old man sold oranges on the pier. ' +
      'Would you like to go there again in June?',
  },
  bob: {
    voice: 'en-gb',
    text:
      'Good morning, Alice, I hear you very well. June is difficult, because my sister moves house. ' +
      'But what about the end of August, when the water is warm? ' +
      'We could take the slow train along the river and stay for three nights.',
  },
};

export interface DemoSetting {
  /** Inside the sandbox. */
  readonly directory: string;
  readonly peers: number;
  readonly progress: Progress;
  readonly keepsake: Keepsake;
}

/** Errors: those of everything that takes part, each naming what failed. */
export async function runDemo(setting: DemoSetting): Promise<Measurements> {
  const { directory, peers, progress } = setting;
  const hosts = new BridgedHosts(BRIDGE);
  const network = new PeerNetwork(hosts, directory);
  const datagramFile = join(directory, 'datagrams.json');
  const capture = await LabTask.countDatagrams(BRIDGE, datagramFile);
  progress.step(`making ${peers} peers, each on a host of its own with a fresh RSA-4096 hostkey`);
  const people = new Map<string, Person>();
  await makePeers(network, peers, progress, async (peer) => {
    const person = peer.host.name in VOICES ? await settle(network, peer) : null;
    if (person !== null) people.set(person.name, person);
    const answers = peer.host.name === 'bob' ? ['--auto-answer'] : [];
    network.start(peer, 'up', ['up', '-c', peer.config.file, ...answers], person?.environment);
  });
  const [alice, bob] = [personNamed(people, 'alice'), personNamed(people, 'bob')];
  await introduce(network, alice, bob);
  await waitUntilUp(network, progress);
  await Promise.all([alice, bob].map(({ peer }) => waitUntilRegistered(network, peer, progress)));

  const call = new TelephoneCall(network, alice.peer, bob.name);
  progress.step('alice: peer voip call bob');
  await call.answered((view) => progress.step(`alice: ${describe(view)}`));
  const recordings = await converse(alice, bob, directory, progress);
  const [atAlice, atBob] = [await callFigures(network, alice.peer), await callFigures(network, bob.peer)];
  await call.hangUp();
  progress.step('alice: peer voip hangup');
  await network.stop();
  await capture.finish();

  progress.step('comparing what was heard with what was said');
  const directions = await Promise.all([
    compare(setting, recordings, alice, bob, atBob.voice),
    compare(setting, recordings, bob, alice, atAlice.voice),
  ]);
  return {
    peers,
    ringingAfterMs: atAlice.view.ringingAfterMs ?? null,
    answeredAfterMs: atAlice.view.answeredAfterMs ?? null,
    roundTripMs: atAlice.view.roundTripMs ?? null,
    lowestRoundTripMs: atAlice.view.lowestRoundTripMs ?? null,
    directions,
    datagrams: await readDatagramSizes(datagramFile),
    seconds: progress.elapsedSeconds,
  };
}

/** Gives a peer's person a sound server and the peer its devices and a pseudo-identity. */
async function settle(network: PeerNetwork, peer: NetworkPeer): Promise<Person> {
  const person = new Person(network, peer);
  await person.startSound();
  await network.reconfigure(peer, (text) =>
    text
      .replace(/^# AUDIO_INPUT =.*$/m, `AUDIO_INPUT = ${person.microphone}`)
      .replace(/^# AUDIO_OUTPUT =.*$/m, `AUDIO_OUTPUT = ${person.loudspeaker}`)
      // Null sinks do not hear each other: as with a headset.
      .replace(/^# ECHO_CANCELLATION =.*$/m, 'ECHO_CANCELLATION = no'),
  );
  await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
  return person;
}

/** Each puts the other into the contacts, by the text of the pseudo-identity. */
async function introduce(network: PeerNetwork, alice: Person, bob: Person): Promise<void> {
  for (const [knows, known] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const listed = await network.runPeer(known.peer.host, [
      'id',
      'list',
      '--json',
      '-c',
      known.peer.config.file,
    ]);
    const [identity] = JSON.parse(listed) as { id: string }[];
    const args = ['contact', 'add', known.name, identity?.id ?? '', '-c', knows.peer.config.file];
    await network.runPeer(knows.peer.host, args);
  }
}

type Recordings = ReadonlyMap<Person, { readonly said: string; readonly heard: string }>;

/** Alice speaks, then Bob; all microphones and loudspeakers are recorded at once, on one time scale. */
async function converse(
  alice: Person,
  bob: Person,
  directory: string,
  progress: Progress,
): Promise<Recordings> {
  const recordings = new Map<Person, { said: string; heard: string }>();
  const sources: RecordedSource[] = [];
  for (const person of [alice, bob]) {
    const { name, server, microphone, ear } = person;
    const said = join(directory, `${name}-said.wav`);
    const heard = join(directory, `${name}-heard.wav`);
    recordings.set(person, { said, heard });
    sources.push({ server, device: microphone, file: said }, { server, device: ear, file: heard });
  }
  const speeches = new Map<Person, string>();
  for (const person of [alice, bob]) {
    const voice = VOICES[person.name];
    if (voice !== undefined) speeches.set(person, await person.prepareSpeech(voice));
  }
  const recording = LabTask.record(sources);
  await pause();
  for (const [person, speech] of speeches) {
    progress.step(`${person.name} speaks`);
    await person.say(speech);
    await pause();
  }
  await recording.finish();
  return recordings;
}

async function compare(
  { keepsake }: DemoSetting,
  recordings: Recordings,
  speaker: Person,
  listener: Person,
  voice: VoiceFigures,
): Promise<Direction> {
  const [from, to] = [recordings.get(speaker), recordings.get(listener)];
  if (from === undefined || to === undefined) throw new Error('somebody was not recorded');
  const found = await score(from.said, to.heard);
  // What the listener said stands for any other speech: it is not what was heard.
  const control = await score(to.said, to.heard);
  return {
    from: speaker.name,
    to: listener.name,
    score: found,
    controlPeak: control.peak,
    voice,
    said: keepsake.keepFile(from.said, `${speaker.name}-said.wav`),
    heard: keepsake.keepFile(to.heard, `${listener.name}-heard.wav`),
  };
}

function describe(view: CallView): string {
  const texts: Record<CallView['state'], string> = {
    'looking-up': 'looking up bob',
    building: 'building a tunnel to his exchange point',
    connecting: 'connecting',
    ringing: 'ringing at bob',
    active: 'bob has answered',
    ended: 'the call has ended',
  };
  return texts[view.state];
}

function personNamed(people: ReadonlyMap<string, Person>, name: string): Person {
  const person = people.get(name);
  if (person === undefined) throw new Error(`there is no ${name}`);
  return person;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
