/**
 * Role: measures a call path of 3 + 3 hops over emulated links beside a chain of plain forwarders over links of the same kind.
 *
 *   node wan-path.js DELAY-MS JITTER-MS LOSS-PERCENT    runs itself in a sandbox and prints one line of JSON: WanPathResults
 *
 * Invariants: both have six links each way, in one emulator, and their rounds alternate.
 *
 * Not here: what the figures must be (kx-path-wan.ts).
 */

import { fileURLToPath } from 'node:url';
import { CallNetwork, runForJson, SERVED_PORT, TUNNEL_PROBE } from '../call-network.js';
import type { Host } from '../namespaces.js';
import { PeerNetwork } from '../peer-network.js';
import { PlainChain } from '../plain-chain.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { WanHosts, type WanLink } from '../wan-hosts.js';
import { finishWith } from './finish.js';
import { ECHOES, LINKS, ROUNDS, type RoundTrips, type WanPathResults } from './wan-path-results.js';

const SELF = fileURLToPath(import.meta.url);
const PEERS = 8;
const SEED = 20_260_101;
const CHAIN = Array.from({ length: LINKS + 1 }, (_, index) => `c${index}`) as [string, string, ...string[]];

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  const [delayMs = 0, jitterMs = 0, lossPercent = 0] = process.argv.slice(2).map(Number);
  finishWith(await measure({ delayMs, jitterMs, lossPercent }, directory));
}

async function measure(link: WanLink, below: string): Promise<WanPathResults> {
  const names = Array.from({ length: PEERS }, (_, index) => `p${index}`);
  const hosts = await WanHosts.make([...names, ...CHAIN], link, SEED);
  const network = new PeerNetwork(hosts, below);
  try {
    const call = await CallNetwork.make(network, { peers: PEERS, tell });
    const chain = await PlainChain.make(hosts, CHAIN);
    const before = await tunnelCounters(call);
    const [callMs, chainMs]: [RoundTrips[], RoundTrips[]] = [[], []];
    for (let round = 1; round <= ROUNDS; round += 1) {
      tell(`round ${round} of ${ROUNDS}: ${ECHOES} echoes through either …`);
      callMs.push(await echoes(hosts, call.caller.host, call.address, SERVED_PORT));
      chainMs.push(await echoes(hosts, chain.start, chain.address, chain.port));
    }
    const after = await tunnelCounters(call);
    const tunnels = Object.fromEntries(
      Object.entries(after).map(([kind, count]) => [kind, count - (before[kind] ?? 0)]),
    );
    await chain.end();
    await network.stop();
    return { link, callMs, chainMs, emulator: await hosts.end(), realtime: hosts.realtime, tunnels };
  } finally {
    await network.stop();
  }
}

async function echoes(hosts: WanHosts, host: Host, address: string, port: number): Promise<RoundTrips> {
  const args = [TUNNEL_PROBE, 'echoes', address, String(port), String(ECHOES)];
  return ((await runForJson(hosts, { host }, args)) as { roundTripsMs: RoundTrips }).roundTripsMs;
}

/** Of both ends together, by kind. */
async function tunnelCounters(call: CallNetwork): Promise<Record<string, number>> {
  const sum: Record<string, number> = {};
  for (const peer of [call.callee, call.caller]) {
    for (const [kind, count] of Object.entries(await call.tunnelCounters(peer))) {
      sum[kind] = (sum[kind] ?? 0) + count;
    }
  }
  return sum;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
