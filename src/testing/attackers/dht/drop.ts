/**
 * Role: takes part only as far as it must to be asked: it answers pings and some searches, says that it has stored and passed on, and
 * does nothing of it.
 *
 * Not here: answers that are wrong (lie.ts) or late (delay.ts).
 */

import { fitFound } from '../../../dht/rpc-message.js';
import type { Answers } from '../../../eval/sim/hostile-node.js';
import type { Attack, Attacker } from '../attacker.js';
import { ownIdentity } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

/** Share of searches that it answers: it must be found to be given anything. */
const FOUND_SHARE = 0.5;

export const dhtDrop: Attacker = {
  name: 'dht-drop',
  what: 'answers pings, and swallows searches, contents and onions: it says that it took them, or nothing',
  counters: ['dht.state.node.counters.requestsFailed', 'dht.state.node.counters.replicasNotHeld'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const identity = await ownIdentity(attack.config, attack.over);
  if (identity === null) return;
  const peer = await HostilePeer.open(attack, identity, { answers: swallow(attack) });
  attack.begin();
  await peer.mingle();
  await peer.close();
}

function swallow({ random, count }: Attack): Answers {
  return (_, request, budget) => {
    switch (request.kind) {
      case 'ping':
        return { kind: 'pong' };
      case 'store':
      case 'offer':
        count('contents swallowed');
        return { kind: 'stored', verdict: 'stored' };
      case 'relay':
      case 'relayed':
        count('onions swallowed');
        return { kind: 'taken', verdict: 'taken' };
      case 'fetch':
        return null;
      case 'find':
        if (random.fraction() < FOUND_SHARE)
          return fitFound({ kx: null, valuesDigest: null, values: [], closest: () => [] }, budget);
        count('searches swallowed');
        return null;
    }
  };
}
