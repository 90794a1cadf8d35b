/**
 * Role: what passes on a peer's links while there is talk in a call, silence, a muted microphone, a call on hold.
 *
 * Not here: what must hold.
 */

import { join } from 'node:path';
import { PeerError } from '../../errors.js';
import type { Person } from '../demo/person.js';
import { Phone } from '../endurance/phone.js';
import type { PeerNetwork } from '../peer-network.js';
import { Listener, readSeen } from './packets.js';
import type { Phase } from './results.js';

const SECONDS = 40;
const SETTLE_MS = 8_000;
const SPEECH = {
  voice: 'en-gb',
  text: 'One two three four five six seven eight nine ten, and so on without a pause.',
};

/** A call of the two, a phase after the other. */
export async function phasesOf(
  network: PeerNetwork,
  [one, other]: readonly [Person, Person],
  networkInterface: string,
  below: string,
  tell: (text: string) => void,
): Promise<Phase[]> {
  const [caller, callee] = [new Phone(network, one.peer, ''), new Phone(network, other.peer, '')];
  const { identities } = await callee.state();
  await caller.request('call', { to: identities[0]?.id });
  await callee.until('rung at', 60_000, ({ calls }) => (calls[0]?.state === 'ringing' ? true : undefined));
  await callee.request('accept');
  await caller.until('in a call', 30_000, ({ calls }) => (calls[0]?.state === 'active' ? true : undefined));
  await pause(SETTLE_MS);
  const host = Number(one.peer.host.ipv4.split('.').at(-1));
  const kxPort = one.peer.config.kx?.outreachPort ?? 0;
  const speech = await one.prepareSpeech(SPEECH);
  const listener = await Listener.start(networkInterface, join(below, 'phases.pcap'));
  const times: { readonly name: Phase['name']; readonly fromMs: number }[] = [];
  const phase = async (name: Phase['name'], run: () => Promise<void> = () => pause(SECONDS * 1_000)) => {
    tell(`a call: ${name}`);
    times.push({ name, fromMs: Date.now() });
    await run();
  };
  await phase('talking', async () => {
    const end = performance.now() + SECONDS * 1_000;
    while (performance.now() < end) await one.say(speech);
  });
  await phase('silent');
  await caller.request('mute', { muted: true });
  await phase('muted');
  await caller.request('mute', { muted: false });
  await caller.request('hold', { held: true });
  await pause(1_000);
  await phase('held');
  await listener.stop();
  await caller.clear();
  const seen = (await readSeen(listener.file)).get(host);
  if (seen === undefined) throw new PeerError('capture', 'nothing was seen of the call');
  return times.map(({ name, fromMs }) => {
    const [outPerSecond, inPerSecond] = [
      new Array<number>(SECONDS).fill(0),
      new Array<number>(SECONDS).fill(0),
    ];
    const sizes: Record<string, number> = {};
    seen.atMs.forEach((atMs, index) => {
      const second = Math.floor((atMs - fromMs) / 1_000);
      if (second < 0 || second >= SECONDS || seen.port[index] !== kxPort) return;
      const counts = seen.isOut[index] ? outPerSecond : inPerSecond;
      counts[second] = (counts[second] as number) + 1;
      const size = String(seen.size[index]);
      sizes[size] = (sizes[size] ?? 0) + 1;
    });
    return { name, seconds: SECONDS, outPerSecond, inPerSecond, sizes };
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
