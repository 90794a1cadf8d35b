/**
 * Role: makes somebody of a peer who can be called: sound, devices, a pseudo-identity.
 *
 * Not here: the sound servers (demo/person.ts), the start of the peer.
 */

import { Person } from './demo/person.js';
import type { NetworkPeer, PeerNetwork } from './peer-network.js';

export interface SoundOptions {
  readonly echoCancellation: boolean;
  readonly server: 'pulse' | 'pipewire';
}

/** Gives a peer's person a sound server and the peer its devices and a pseudo-identity; `peer` of the result is to be started. */
export async function settlePerson(
  network: PeerNetwork,
  added: NetworkPeer,
  { echoCancellation, server }: SoundOptions,
): Promise<Person> {
  const sound = new Person(network, added);
  await sound.startSound(server);
  const peer = await network.reconfigure(added, (text) =>
    text
      .replace(/^# AUDIO_SERVER =.*$/m, `AUDIO_SERVER = ${server}`)
      .replace(/^# AUDIO_INPUT =.*$/m, `AUDIO_INPUT = ${sound.microphone}`)
      .replace(/^# AUDIO_OUTPUT =.*$/m, `AUDIO_OUTPUT = ${sound.loudspeaker}`)
      .replace(/^# ECHO_CANCELLATION =.*$/m, `ECHO_CANCELLATION = ${echoCancellation ? 'yes' : 'no'}`),
  );
  await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
  return sound;
}

/** Text of the pseudo-identity of a peer that has one. */
export async function identityOf(network: PeerNetwork, peer: NetworkPeer): Promise<string> {
  const listed = await network.runPeer(peer.host, ['id', 'list', '--json', '-c', peer.config.file]);
  return (JSON.parse(listed) as { id: string }[])[0]?.id ?? '';
}
