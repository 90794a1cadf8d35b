/**
 * Role: measures GETs of one half of a network while the other half is stopped and does not answer.
 *
 *   node frozen-nodes.js    runs itself in a sandbox and prints one line of JSON: FrozenResults
 *
 * Not here: the nodes (dht-network/, sim/); what the figures must be (dht-frozen.ts).
 */

import { fileURLToPath } from 'node:url';
import { NodeNetwork } from '../dht-network/node-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { finishWith } from './finish.js';
import { FROZEN_GETS, FROZEN_HOSTS, FROZEN_NODES_EACH } from './frozen-scale.js';
import type { FrozenResults } from './lookup-results.js';
import { REPLICATION, VALUE_BYTES, VALUES } from './lookup-scale.js';

const SELF = fileURLToPath(import.meta.url);

if (sandboxDirectory() === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  const size = { hosts: FROZEN_HOSTS, nodesEach: FROZEN_NODES_EACH };
  const nodes = size.hosts * size.nodesEach;
  tell(`${nodes} nodes in ${size.hosts} processes …`);
  const network = await NodeNetwork.start('ours', size);
  await network.put(VALUES, VALUE_BYTES, REPLICATION);
  network.freezeHalf();
  tell('half of them stand still');
  const round = await network.getsInTurn(FROZEN_GETS);
  network.end();
  const results: FrozenResults = { nodes, frozen: nodes / 2, round };
  finishWith(results);
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
