/**
 * Role: who stands where an attacker can harm them: peers that have pinned it as a hop, a pseudo-identity that is called by way of it.
 *
 * Not here: the attacker, which waits until it stands there itself (`peer test attacker --wait`).
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePseudoIdentity } from '../../identity/pseudo-identity.js';
import { exchangePointsOf } from '../exchange-points.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';

const MOST_IDENTITIES = 24;
/** Made at once. */
const BATCH = 4;
const REGISTERED_MS = 120_000;
/** A first hop has one path of two, a second one path of four. */
const WEIGHTS = { first: 2, second: 1 } as const;

/** The same peers, those first whose tunnels lead by way of `relay` (peer identity, hexadecimal) most often. */
export async function pinnersFirst(peers: readonly NetworkPeer[], relay: string): Promise<NetworkPeer[]> {
  const weighed = await Promise.all(
    peers.map(async (peer) => {
      const file = join(peer.config.stateDir, 'kx', 'pinned.json');
      const pins = JSON.parse(await readFile(file, 'utf8')) as Record<
        keyof typeof WEIGHTS,
        { identity: string }[]
      >;
      const weigh = (hop: keyof typeof WEIGHTS) =>
        pins[hop].some(({ identity }) => identity === relay) ? WEIGHTS[hop] : 0;
      return { peer, weight: weigh('first') + weigh('second') };
    }),
  );
  return weighed.sort((a, b) => b.weight - a.weight).map(({ peer }) => peer);
}

/**
 * A pseudo-identity of `peer` that is called by way of `exchangePoint` (peer identity, hexadecimal). Exchange points are drawn: it gets
 * further ones until one has this. Errors: 'network-timeout', and one that says that none had it.
 */
export async function identityAt(
  network: PeerNetwork,
  peer: NetworkPeer,
  exchangePoint: string,
): Promise<string> {
  const { dht, file } = peer.config;
  if (dht === null) throw new Error(`${file} lacks [DHT]`);
  for (let made = 0; ; made += BATCH) {
    let ids: string[] = [];
    const areRegistered = ({ identities }: { identities: { id: string; state: string }[] }) => {
      ids = identities.map(({ id }) => id);
      return ids.length > made && identities.every(({ state }) => state === 'registered');
    };
    await network.waitFor(peer, 'voip', 'its registrations', areRegistered, REGISTERED_MS);
    for (const id of ids) {
      const found = await exchangePointsOf({ host: dht.host, port: dht.port }, parsePseudoIdentity(id));
      if (found.some(({ identity }) => identity.toString('hex') === exchangePoint)) return id;
    }
    if (made >= MOST_IDENTITIES)
      throw new Error(`of ${ids.length} pseudo-identities none is called by way of it`);
    for (let index = made; index < made + BATCH; index += 1)
      await network.runPeer(peer.host, ['id', 'new', `more-${index}`, '-c', file]);
  }
}
