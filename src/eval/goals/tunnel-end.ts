/**
 * Role: measures a tunnel's end, TUN device to wire, beside wireguard-go in its place.
 *
 *   node tunnel-end.js    runs itself in a sandbox and prints one line of JSON: PourRound[]
 *
 * Not here: the ends and what drives them (crates/lab, peer-load); what the figures must be (kx-tunnel-end.ts).
 */

import { fileURLToPath } from 'node:url';
import { endLoad, type Load, startLoad } from '../relay-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { FAR, makeTunnelNetworks, NEAR, startWireguard } from '../tunnel-network.js';
import { finishWith } from './finish.js';
import { type PourRound, RATE_ROUNDS } from './tunnel-end-results.js';

const SELF = fileURLToPath(import.meta.url);
const HOP = `${FAR.address}:5001`;
const WIRE = `${FAR.address}:5100`;
const BEHIND = '127.0.0.1:51820';
const DELIVERED = '10.88.0.2:9000';
const CALLEE_PORT = 9000;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  makeTunnelNetworks();
  finishWith(await measure(directory));
}

async function measure(keys: string): Promise<readonly PourRound[]> {
  process.stderr.write('two ends of wireguard-go, a tunnel over three hops …\n');
  const [wireguard] = await startWireguard(keys, [
    { namespace: NEAR.namespace, inside: '10.88.0.1/24', port: 51821, endpoint: WIRE },
    { namespace: FAR.namespace, inside: '10.88.0.2/24', port: 51820, endpoint: WIRE },
  ]);
  const pour = (await startLoad(FAR.namespace, [
    ...['pour', '--near', NEAR.namespace, '--far', `${FAR.namespace},${HOP}`],
    ...['--wire', WIRE, '--behind', BEHIND, '--rounds', String(RATE_ROUNDS)],
  ])) as Load & { readonly path: string };
  const tunnel = (await startLoad(NEAR.namespace, [
    ...['tunnel', `${NEAR.address}:3001`, '--tun', 'kx0,10.77.0.1,16', '--path', pour.path],
  ])) as Load & { readonly callee: string };
  pour.child.stdin?.write(`${tunnel.callee}:${CALLEE_PORT} ${tunnel.pid} ${DELIVERED} ${wireguard.pid}\n`);
  const rounds: PourRound[] = [];
  const expected = 2 * (RATE_ROUNDS + Math.ceil(RATE_ROUNDS / 3));
  while (rounds.length < expected) {
    const line = await pour.line();
    process.stderr.write(`${line}\n`);
    rounds.push(JSON.parse(line) as PourRound);
  }
  await endLoad(tunnel);
  return rounds;
}
