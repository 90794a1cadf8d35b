/**
 * Role: the peers of the demo: made by `peer init`, run by `peer up`, waited for.
 *
 * Invariants: every hostkey is fresh; two are made at a time, which is what takes most of the time.
 *
 * Not here: sound (person.ts), the call (telephone-call.ts).
 */

import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import type { Progress } from './progress.js';

const NAMES = [
  ...['carol', 'dave', 'alice', 'bob', 'erin', 'frank', 'grace', 'heidi'],
  ...['ivan', 'judy', 'karl', 'lena', 'mike', 'nina', 'olaf', 'peggy'],
];
const MAKERS = 2;
const UP_MS = 180_000;
const REGISTERED_MS = 120_000;

export function peerNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => NAMES[index] ?? `peer${index + 1}`);
}

/** Makes all peers; `onMade` is called for each as soon as it is there, and may start it. */
export async function makePeers(
  network: PeerNetwork,
  count: number,
  progress: Progress,
  onMade: (peer: NetworkPeer) => Promise<void>,
): Promise<void> {
  const names = peerNames(count);
  let made = 0;
  const maker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const peer = await network.add(name);
      await onMade(peer);
      made += 1;
      progress.step(`${name} has a hostkey and is started (${made} of ${count})`);
    }
  };
  await Promise.all(Array.from({ length: MAKERS }, maker));
}

/** Waits until every peer's DHT has joined the others and its KX runs. Errors: 'network-timeout'. */
export async function waitUntilUp(network: PeerNetwork, progress: Progress): Promise<void> {
  let up = 0;
  await Promise.all(
    network.peers.map(async (peer) => {
      const joined = ({ node }: { node: { state: string; contacts: number } }) =>
        node.state === 'joined' && node.contacts > 0;
      await network.waitFor(peer, 'dht', 'the DHT to join', joined, UP_MS);
      await network.waitFor(peer, 'kx', 'the KX', () => true, UP_MS);
      await network.waitFor(peer, 'voip', 'the VoIP module', () => true, UP_MS);
      up += 1;
      progress.step(`${peer.host.name} is up: DHT, KX and VoIP (${up} of ${network.peers.length})`);
    }),
  );
}

/** Waits until all pseudo-identities of a peer can be called. Errors: 'network-timeout'. */
export async function waitUntilRegistered(
  network: PeerNetwork,
  peer: NetworkPeer,
  progress: Progress,
): Promise<void> {
  type Identities = { identities: { state: string }[] };
  const registered = ({ identities }: Identities) =>
    identities.length > 0 && identities.every(({ state }) => state === 'registered');
  await network.waitFor(peer, 'voip', 'the registration', registered, REGISTERED_MS);
  progress.step(`${peer.host.name} can be called: pseudo-identity registered at an exchange point`);
}
