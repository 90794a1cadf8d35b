/**
 * Role: connections to an API that come to nothing: they say nothing, stop in the middle of a message, or shut their sending side there,
 * more of them than a module takes at a time.
 *
 * Not here: clients that go on, if slowly (slow.ts).
 */

import { openFileLimit } from '../../../api/file-limit.js';
import { PeerError } from '../../../errors.js';
import { sendHalf } from '../../../eval/dht-network/api-attacks.js';
import { MESSAGE_TYPE } from '../../../wire/message.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { apisOf, OpenConnections } from './apis.js';

/** To each API: more than it keeps (src/api/server.ts). */
const CONNECTIONS = 1_100;
const A_ROUND = 25;
const ROUND_MS = 50;
/** Files that Node itself has open, and then some. */
const SPARE_FILES = 100;

export const apiHalfOpen: Attacker = {
  name: 'api-half-open',
  what: `holds over a thousand connections to each API that say nothing, or stop in the middle of a message`,
  counters: ['dht.state.api.connectionsDisplaced', 'kx.state.api.connectionsDisplaced'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, count } = attack;
  const apis = apisOf(config);
  const needed = apis.length * CONNECTIONS + SPARE_FILES;
  if (openFileLimit() < needed)
    throw new PeerError('file-limit', `this user may open ${openFileLimit()} files, ${needed} are needed`, {
      remedy: 'raise the limit with ulimit -n',
    });
  const open = apis.map((api) => ({ api, connections: new OpenConnections() }));
  attack.begin();
  for (let made = 0; !over.aborted; ) {
    for (const { api, connections } of open) {
      for (let round = 0; round < A_ROUND && connections.size < CONNECTIONS; round++, made++) {
        const connection = connections.make(api, () => {
          if (!over.aborted) count('closed by the module');
        });
        count('connections');
        const type = api.module === 'dht' ? MESSAGE_TYPE.dhtPut : MESSAGE_TYPE.kxBuildIncoming;
        if (made % 3 > 0) sendHalf(connection, type);
        if (made % 3 > 1) connection.endSending();
      }
    }
    await pause(ROUND_MS, over);
  }
  for (const { connections } of open) connections.destroy();
}
