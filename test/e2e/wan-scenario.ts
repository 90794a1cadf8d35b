/**
 * Role: echoes between hosts on emulated links, for wan.test.ts.
 *
 *   node wan-scenario.js FILE    writes what came of them to FILE as JSON
 *
 * Not here: what must hold.
 */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { runForJson, TUNNEL_PROBE } from '../../src/eval/call-network.js';
import { PlainChain } from '../../src/eval/plain-chain.js';
import { prepareInside, sandboxDirectory } from '../../src/eval/sandbox.js';
import { WanHosts } from '../../src/eval/wan-hosts.js';

if (sandboxDirectory() === null) throw new Error('to be started by runScenario');
prepareInside();
const ECHOES = 20;
const PORT = 5060;
const link = { delayMs: 10, jitterMs: 2, lossPercent: 0 };
const slow = { from: ['d'], to: ['a'], delayMs: 60, jitterMs: 0, lossPercent: 0 };
const hosts = await WanHosts.make(['a', 'b', 'c0', 'c1', 'c2', 'd'], link, 1, [slow]);
const [a, b, d] = [hosts.add('a'), hosts.add('b'), hosts.add('d')];

async function echoes(address: string, at = b) {
  const server = hosts.spawn(at, process.execPath, [TUNNEL_PROBE, 'serve', address, String(PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (server.stdout !== null) await once(server.stdout, 'data');
  const ended = once(server, 'exit');
  const args = [TUNNEL_PROBE, 'echoes', address, String(PORT), String(ECHOES)];
  const result = await runForJson(hosts, { host: a }, args);
  server.kill();
  await ended;
  return result;
}

const managed = await echoes(b.management);
const [ipv4, ipv6] = [await echoes(b.ipv4), await echoes(b.ipv6)];
const differing = await echoes(d.ipv4, d);
const chain = await PlainChain.make(hosts, ['c0', 'c1', 'c2']);
const args = [TUNNEL_PROBE, 'echoes', chain.address, String(chain.port), String(ECHOES)];
const chained = await runForJson(hosts, { host: chain.start }, args);
await chain.end();
const report = await hosts.end();
const results = { echoes: ECHOES, link, slow, managed, ipv4, ipv6, differing, chain: chained, report };
writeFileSync(process.argv[2] ?? '', JSON.stringify(results));
process.exit(0);
