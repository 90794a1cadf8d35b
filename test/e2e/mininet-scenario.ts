/**
 * Role: a scenario's network made by mininet with links by tc, for mininet.test.ts.
 *
 *   node mininet-scenario.js FILE    writes what came of it to FILE as JSON
 *
 * Where the kernel has no netem, a stand-in for `tc` writes down what it is told and does all of it but netem: links have no delay then.
 *
 * Not here: what must hold.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasNetem, MininetHosts } from '../../src/eval/mininet/mininet-hosts.js';
import { lineTopology } from '../../src/eval/mininet/topology.js';
import { prepareInside, sandboxDirectory } from '../../src/eval/sandbox.js';
import { echoesBetween } from '../../src/eval/scenario/emulator-check.js';
import { planNetwork } from '../../src/eval/scenario/network-plan.js';
import { parseScenarioFile } from '../../src/eval/scenario/scenario-file.js';

const below = sandboxDirectory();
if (below === null) throw new Error('to be started by runScenario');
prepareInside();
const TEXT = `
description = "Near and far"
[regions.near]
peers = 3
[regions.far]
peers = 2
[link]
delayMs = 5
jitterMs = 1
[links.near.far]
delayMs = 40
jitterMs = 0
rateKbps = 20000
queueMs = 200
[links.far.far]
lossPercent = 2
[calls]
`;
const told = join(below, 'tc');
const interfaces = () => readdirSync('/sys/class/net').sort();
const results = await run().catch((error: Error) => ({ failure: error.message }));
writeFileSync(process.argv[2] ?? '', JSON.stringify(results));
process.exit(0);

async function run() {
  const topology = lineTopology(planNetwork(parseScenarioFile(TEXT, 's.toml').points[0].scenario));
  const before = interfaces();
  const isReal = hasNetem();
  // A tc that fails is not passed over.
  const refused = isReal ? null : await MininetHosts.make(topology).catch((error: Error) => error.message);
  if (!isReal) standIn();
  const hosts = await MininetHosts.make(topology);
  const [near1, near2] = [hosts.add('near1'), hosts.add('near2')];
  const far = hosts.add('far2');
  const echoes = {
    near: await echoesBetween(hosts, near1, near2),
    far: await echoesBetween(hosts, near1, far),
    back: await echoesBetween(hosts, far, near2),
    farIpv6: await echoesBetween(hosts, near1, { ...far, ipv4: far.ipv6 }),
  };
  await hosts.end();
  const tc = existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [];
  const left = {
    interfaces: interfaces().filter((name) => !before.includes(name)),
    namespaces: readdirSync('/run/netns'),
    processes: readdirSync('/proc').flatMap(mininetProcess),
  };
  return { isReal, refused, tc, echoes, left };
}

function standIn(): void {
  const bin = join(below as string, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh
case "$*" in *show*) ;; *) echo "$*" >> ${told} ;; esac
case "$*" in *netem*) exit 0 ;; esac
PATH=\${PATH#*:} exec tc "$@"
`;
  writeFileSync(join(bin, 'tc'), script, { mode: 0o755 });
  process.env.PATH = `${bin}:${process.env.PATH}`;
}

function mininetProcess(pid: string): string[] {
  const file = `/proc/${pid}/cmdline`;
  const line = /^\d+$/.test(pid) && existsSync(file) ? readFileSync(file, 'utf8') : '';
  return line.includes('mininet') && Number(pid) !== process.pid ? [line] : [];
}
