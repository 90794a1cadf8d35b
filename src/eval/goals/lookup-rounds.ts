/**
 * Role: measures GETs in a network of ours beside hyperdht's, in turn, and the memory of many nodes in one process.
 *
 *   node lookup-rounds.js    runs itself in a sandbox and prints one line of JSON: LookupResults
 *
 * Not here: the nodes (dht-network/, sim/); what the figures must be (dht-speed.ts).
 */

import { fileURLToPath } from 'node:url';
import { type NodeKind, NodeNetwork } from '../dht-network/node-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { finishWith } from './finish.js';
import type { LookupResults, LookupRound } from './lookup-results.js';
import {
  AT_ONCE,
  GETS_AT_ONCE,
  GETS_IN_TURN,
  HOSTS,
  MEMORY_NODES,
  NODES_EACH,
  REPLICATION,
  ROUNDS,
  VALUE_BYTES,
  VALUES,
} from './lookup-scale.js';

const SELF = fileURLToPath(import.meta.url);
const KINDS: readonly NodeKind[] = ['ours', 'hyperdht'];
const WARM_UP_GETS = 800;
const MEMORY_GETS = 500;

if (sandboxDirectory() === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  const memory = await measureMemory();
  const rounds = await measureGets();
  const results: LookupResults = { rounds, memory };
  finishWith(results);
}

async function measureGets(): Promise<LookupRound[]> {
  const networks: { kind: NodeKind; network: NodeNetwork }[] = [];
  for (const kind of KINDS) {
    tell(`${HOSTS * NODES_EACH} nodes (${kind}) in ${HOSTS} processes …`);
    const network = await NodeNetwork.start(kind, { hosts: HOSTS, nodesEach: NODES_EACH });
    await network.put(VALUES, VALUE_BYTES, REPLICATION);
    await network.getsAtOnce(WARM_UP_GETS, AT_ONCE);
    networks.push({ kind, network });
  }
  const rounds: LookupRound[] = [];
  for (let index = 0; index < ROUNDS; index++) {
    tell(`round ${index + 1} of ${ROUNDS}`);
    for (const { kind, network } of index % 2 === 0 ? networks : [...networks].reverse()) {
      rounds.push({ kind, way: 'in turn', round: await network.getsInTurn(GETS_IN_TURN) });
      rounds.push({ kind, way: 'at once', round: await network.getsAtOnce(GETS_AT_ONCE, AT_ONCE) });
    }
  }
  for (const { network } of networks) network.end();
  return rounds;
}

async function measureMemory(): Promise<LookupResults['memory']> {
  tell(`${MEMORY_NODES} nodes in one process …`);
  const size = { hosts: 1, nodesEach: MEMORY_NODES };
  const network = await NodeNetwork.start('ours', size, { collectable: true });
  await network.put(VALUES, VALUE_BYTES, REPLICATION);
  await network.getsAtOnce(MEMORY_GETS, AT_ONCE);
  const bytes = (await network.residentBytes()) - network.bytesBefore;
  network.end();
  return { nodes: MEMORY_NODES, bytes };
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
