/**
 * Role: wants to be taken for somebody else: registers a pseudo-identity that is not its own at its exchange points, which the DHT names, and at
 * all others, unsigned and with a forged signature; and as exchange point itself splices whoever calls anybody to itself.
 *
 * Not here: the splice (crates/kx/src/attacks.rs).
 */

import { exchangePointsOf } from '../../../eval/exchange-points.js';
import { reachableAddress } from '../../../kx/addresses.js';
import type { Candidate } from '../../../kx/peer-pool.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';
import { OwnTunnel } from './own-tunnel.js';

const EVERY_MS = 5_000;
const LOOK_EVERY_MS = 1_000;
const FORGED_FOR_SECONDS = 3_600n;

export const kxHijack: Attacker = {
  name: 'kx-hijack',
  what: 'registers a pseudo-identity of somebody else, and as exchange point splices callers to itself',
  counters: [
    'kx.state.engine.counters.registrations_refused',
    'kx.state.engine.counters.registrations_invalid',
    'kx.state.engine.counters.flows_unanswered',
  ],
  waitsFor: 'exchange-point',
  run: LyingPeer.attack(hijack, { withTun: true }),
};

async function hijack(peer: LyingPeer, attack: Attack): Promise<void> {
  const { over, count, random, key } = attack;
  const own = new OwnTunnel(peer, attack);
  peer.onEvent((event) => {
    if (own.hear(event)) return;
    if (event.type === 'tunnelReady') count('registrations taken');
    else if (event.type === 'tunnelFailed') count(`registrations refused (${event.failure})`);
    else if (event.type === 'tunnelClosed') count('registrations lost again');
  });
  for (;;) {
    await own.keep();
    if (over.aborted || (own.isReady && (await isInPlace(peer, attack)))) break;
    await pause(LOOK_EVERY_MS, over);
  }
  peer.lie({ lie: 'hijack', percent: 0, pseudoIdentity: own.pseudoIdentity });
  attack.begin();
  let tunnels: number[] = [];
  while (!over.aborted) {
    for (const tunnel of tunnels) peer.command({ type: 'destroy', tunnel });
    tunnels = [];
    // Who has come since the last round has its turn too.
    for (const exchangePoint of [...(await exchangePoints(attack)), ...(await peer.others())]) {
      if (exchangePoint.identity.equals(peer.identity)) continue;
      for (const forged of [false, true]) {
        const tunnel = peer.newTunnel();
        tunnels.push(tunnel);
        if (forged) forge(peer, tunnel, random.bytes(32), random.bytes(64));
        const order = { path: [exchangePoint], token: random.bytes(32) };
        peer.command({
          ...{ type: 'buildIncoming', tunnel, pseudoIdentity: key ?? random.bytes(32) },
          ...order,
        });
        count(forged ? 'forged registrations tried' : 'unsigned registrations tried');
      }
    }
    await pause(EVERY_MS, over);
    await own.keep();
    peer.tell();
  }
}

/** Whether whom it is against can be called by way of this peer, where it is to wait for that. */
async function isInPlace(peer: LyingPeer, attack: Attack): Promise<boolean> {
  if (!attack.wait) return true;
  return (await exchangePoints(attack)).some(({ identity }) => identity.equals(peer.identity));
}

/** Of whom it is against, as anybody learns them. */
async function exchangePoints({ config: { dht }, key }: Attack): Promise<Candidate[]> {
  if (dht === null || key === null) return [];
  const found = await exchangePointsOf({ host: dht.host, port: dht.port }, key).catch(() => []);
  return found.flatMap((exchangePoint) => {
    const address = reachableAddress(exchangePoint, { ipv4: true, ipv6: false });
    return address === null
      ? []
      : [{ identity: exchangePoint.identity, address, port: exchangePoint.kxPort }];
  });
}

/** Its registration key is its own; the word of the pseudo-identity for it is not. */
function forge(peer: LyingPeer, tunnel: number, secret: Buffer, signature: Buffer): void {
  const time = BigInt(Math.floor(Date.now() / 1000));
  const registration = { secret, time, expiry: time + FORGED_FOR_SECONDS, signature };
  peer.command({ type: 'setExtension', tunnel, registration });
}
