/**
 * Role: wants to be taken for somebody else: registers a pseudo-identity that is not its own at the exchange points of all others,
 * unsigned and with a forged signature; and as exchange point itself splices whoever calls anybody to itself.
 *
 * Not here: the splice (crates/kx/src/attacks.rs).
 */

import { type Attack, type Attacker, pause } from '../attacker.js';
import { LyingPeer } from './lying-peer.js';

const EVERY_MS = 5_000;
const FORGED_FOR_SECONDS = 3_600n;

export const kxHijack: Attacker = {
  name: 'kx-hijack',
  what: 'registers a pseudo-identity of somebody else, and as exchange point splices callers to itself',
  counters: [
    'kx.state.engine.counters.registrations_refused',
    'kx.state.engine.counters.registrations_invalid',
    'kx.state.engine.counters.flows_unanswered',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { over, count, random } = attack;
  const peer = await LyingPeer.start(attack, { withTun: true });
  try {
    const own = random.bytes(32);
    const [way = null] = await peer.others();
    const self = selfOf(attack, peer);
    if (way !== null && self !== null) {
      const order = { pseudoIdentity: own, path: [way, self], token: random.bytes(32) };
      peer.command({ type: 'buildIncoming', tunnel: peer.newTunnel(), ...order });
      peer.lie({ lie: 'hijack', percent: 0, pseudoIdentity: own });
    }
    peer.onEvent((event) => {
      if (event.type === 'tunnelReady') count('registrations taken');
      else if (event.type === 'tunnelFailed') count(`registrations refused (${event.failure})`);
      else if (event.type === 'tunnelClosed') count('registrations lost again');
    });
    attack.begin();
    let tunnels: number[] = [];
    while (!over.aborted) {
      for (const tunnel of tunnels) peer.command({ type: 'destroy', tunnel });
      tunnels = [];
      // Who has come since the last round has its turn too.
      for (const exchangePoint of await peer.others()) {
        for (const forged of [false, true]) {
          const tunnel = peer.newTunnel();
          tunnels.push(tunnel);
          if (forged) forge(peer, tunnel, random.bytes(32), random.bytes(64));
          const pseudoIdentity = attack.key ?? random.bytes(32);
          const order = { pseudoIdentity, path: [exchangePoint], token: random.bytes(32) };
          peer.command({ type: 'buildIncoming', tunnel, ...order });
          count(forged ? 'forged registrations tried' : 'unsigned registrations tried');
        }
      }
      await pause(EVERY_MS, over);
      peer.tell();
    }
  } finally {
    await peer.close();
  }
}

/** Its registration key is its own; the word of the pseudo-identity for it is not. */
function forge(peer: LyingPeer, tunnel: number, secret: Buffer, signature: Buffer): void {
  const time = BigInt(Math.floor(Date.now() / 1000));
  const registration = { secret, time, expiry: time + FORGED_FOR_SECONDS, signature };
  peer.command({ type: 'setExtension', tunnel, registration });
}

/** As others reach it. */
function selfOf({ config: { kx } }: Attack, { identity }: LyingPeer) {
  const address = kx?.outreachHosts[0];
  return kx === null || address === undefined ? null : { identity, address, port: kx.outreachPort };
}
