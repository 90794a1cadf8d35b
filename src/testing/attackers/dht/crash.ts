/**
 * Role: an honest node that dies when it matters: just after it has taken a content or an onion upon itself, without a word, and comes
 * back a little later with nothing of it.
 *
 * Not here: nodes that take and drop while they live (drop.ts).
 */

import { DhtNode } from '../../../dht/node.js';
import { bootstrapEndpoints, kxAddress, ownAddresses } from '../../../dht/own-addresses.js';
import { systemClock, systemRandom } from '../../../dht/system-environment.js';
import { TcpTransport } from '../../../dht/tcp-transport.js';
import { UdpTransport } from '../../../dht/udp-transport.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { dhtOf, type HostileIdentity, ownIdentity } from './hostile-identity.js';

/** How often it looks whether somebody relies on it by now. */
const LOOK_MS = 10;
/** It dies after so long all the same. */
const LONGEST_LIFE_MS = 4_000;
const DEAD_MS = { least: 1_000, most: 3_000 } as const;

export const dhtCrash: Attacker = {
  name: 'dht-crash',
  what: 'is an honest node that dies whenever it has just taken a content or an onion, and comes back',
  counters: ['dht.state.node.counters.requestsFailed'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const identity = await ownIdentity(config, over);
  if (identity === null) return;
  attack.begin();
  while (!over.aborted) {
    count('lives');
    await live(attack, identity);
    await pause(DEAD_MS.least + random.integer(DEAD_MS.most - DEAD_MS.least), over);
  }
}

/** From its start to its death. */
async function live({ config, over, count }: Attack, identity: HostileIdentity): Promise<void> {
  const dht = dhtOf(config);
  const { contact, channel, onions } = identity;
  const own = await ownAddresses(dht.overlayHosts, contact.port);
  const [udp, tcp] = [new UdpTransport(), new TcpTransport()];
  const node = new DhtNode({
    ...{ clock: systemClock, random: systemRandom, datagrams: udp, streams: tcp, channel },
    ...{ self: contact, kx: await kxAddress(config.kx, own), diversity: dht.diversity },
    onions: { cipher: onions, own: null },
    hostlist: () => bootstrapEndpoints(dht.hostlist, own, contact.port),
  });
  await udp.bind(own.bind, (from, bytes) => node.handleDatagram(from, bytes));
  await tcp.listen(own.bind, (stream) => node.handleStream(stream));
  node.start(false);
  const reliedOn = () =>
    node.network.parts.store.totals.keys > 0 ||
    node.counters.get('onionsRelayed') + node.counters.get('onionsServed') > 0;
  const end = Date.now() + LONGEST_LIFE_MS;
  while (!over.aborted && Date.now() < end && !reliedOn()) await pause(LOOK_MS, over);
  count(reliedOn() ? 'deaths with something in its hands' : 'deaths with nothing in its hands');
  node.close();
  await Promise.all([udp.close(), tcp.close()]);
}
