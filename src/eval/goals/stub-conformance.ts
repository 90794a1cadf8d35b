/**
 * Role: conformance of stubs: a right one and one with each seeded fault, for both modules, all as processes.
 *
 *   node stub-conformance.js    prints one line of JSON: StubConformance[]
 *
 * Invariants: every stub gets all checks, recommended ones too; all that is started is ended.
 *
 * Not here: stubs and checks (src/testing), what must be found (testing.ts).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConformanceReport, StubConformance } from './conformance-results.js';
import { finishWith } from './finish.js';

const PEER = fileURLToPath(new URL('../../../../bin/peer.js', import.meta.url));
/** A stub answers at once: what does not come soon never comes. */
const LIMITS = ['--patience', '2', '--quiet', '0.1', '--ttl', '1', '--at-once', '8'];
const AT_ONCE = Math.min(4, availableParallelism());
const running = new Set<ChildProcess>();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of running) child.kill('SIGTERM');
    process.exit(130);
  });
}

const directory = await mkdtemp(join(tmpdir(), 'peer-stubs-'));
try {
  const peers = join(directory, 'known-peers.json');
  await writeFile(peers, JSON.stringify(knownPeers()));
  finishWith(await measure(peers));
} finally {
  await rm(directory, { recursive: true });
}

/** What the stubs find by TRACE: no field of them reads the same from both ends. */
function knownPeers(): object[] {
  return [1, 2, 3].map((number) => ({
    identity: `${number}${'0'.repeat(62)}a`,
    kxPort: 3000 + number,
    ipv4: `192.0.2.${number}`,
    ipv6: `2001:db8::${number}`,
    target: number === 1,
  }));
}

async function measure(peers: string): Promise<StubConformance[]> {
  const waiting: Omit<StubConformance, 'report'>[] = [];
  for (const module of ['dht', 'kx'] as const) {
    const faults = JSON.parse(await runPeer(['test', 'stub', module, '--list-faults', '--json'])) as Fault[];
    waiting.push({ module, fault: null, check: null });
    waiting.push(...faults.map(({ name, check }) => ({ module, fault: name, check })));
  }
  const results: StubConformance[] = [];
  const total = waiting.length;
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      results.push({ ...one, report: await conformance(one.module, one.fault, peers) });
      if (results.length % 10 === 0) process.stderr.write(`${results.length} of ${total} stubs\n`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

interface Fault {
  readonly name: string;
  readonly check: string;
}

async function conformance(
  module: 'dht' | 'kx',
  fault: string | null,
  peers: string,
): Promise<ConformanceReport> {
  const seeded = fault === null ? [] : ['--fault', fault];
  const stub = start(['test', 'stub', module, '--port', '0', '--peers', peers, '--json', ...seeded]);
  try {
    const [line] = (await once(stub.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const { listening } = JSON.parse(line.toString()) as { listening: { port: number } };
    const api = `127.0.0.1:${listening.port}`;
    // A stub is a network by itself.
    const target = ['--target', api, '--other', api];
    const args = [
      'test',
      'conformance',
      module,
      ...target,
      '--peers',
      peers,
      '--strict',
      '--json',
      ...LIMITS,
    ];
    return JSON.parse(await runPeer(args)) as ConformanceReport;
  } finally {
    stub.kill('SIGTERM');
  }
}

/** What it prints, whatever its exit code. */
async function runPeer(args: readonly string[]): Promise<string> {
  const child = start(args);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  return output;
}

function start(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [PEER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}
