/**
 * Role: measures a whole call path, 3 + 3 hops between two of eight real peers, each in a namespace of its own.
 *
 *   node call-path.js    runs itself in a sandbox and prints one line of JSON: the results
 *
 * Not here: what the figures must be (kx-path.ts).
 */

import { fileURLToPath } from 'node:url';
import { CallNetwork, runForJson, SERVED_PORT, SOURCE_PORT, TUNNEL_PROBE } from '../call-network.js';
import { BridgedHosts } from '../namespaces.js';
import { PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { type CallPathResults, DOWNLOAD_BYTES, ECHO_BYTES, UDP_PACKETS } from './call-path-results.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const PEERS = 8;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  const hosts = new BridgedHosts('peers', { wire: false });
  hosts.attach();
  const network = new PeerNetwork(hosts, directory);
  finishWith(await measure(network, hosts).finally(() => network.stop()));
}

async function measure(network: PeerNetwork, hosts: BridgedHosts): Promise<CallPathResults> {
  const call = await CallNetwork.make(network, { peers: PEERS, tell });
  await call.offer(DOWNLOAD_BYTES);
  const probe = (mode: string, port: number, amount: number) =>
    runForJson(hosts, call.caller, [TUNNEL_PROBE, mode, call.address, String(port), String(amount)]);
  tell(`${UDP_PACKETS} packets at 50/s …`);
  const udp = await probe('udp', SERVED_PORT, UDP_PACKETS);
  tell(`${DOWNLOAD_BYTES / 1e6} MB one way …`);
  const download = await probe('download', SOURCE_PORT, DOWNLOAD_BYTES);
  tell(`${ECHO_BYTES / 1e6} MB there and back …`);
  const echo = await probe('tcp', SERVED_PORT, ECHO_BYTES);
  return { udp, download, echo } as CallPathResults;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
