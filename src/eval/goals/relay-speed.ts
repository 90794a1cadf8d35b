/**
 * Role: measures a relay between two networks beside a plain UDP forwarder in its place, and under 500 calls.
 *
 *   node relay-speed.js    runs itself in a sandbox and prints one line of JSON: RelayResults
 *
 * Not here: the relay, the forwarder and what drives them (crates/lab, peer-load); what the figures must be (kx-relay.ts).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import { prepareInside, run, runInSandbox, sandboxDirectory } from '../sandbox.js';
import type { LoadRound, RelayResults } from './relay-results.js';

const SELF = fileURLToPath(import.meta.url);
const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const LOAD = join(process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target'), 'release/peer-load');
const NEAR = { name: 'near', own: '10.1.0.1', relay: '10.1.0.2' };
const FAR = { name: 'far', own: '10.2.0.1', relay: '10.2.0.2' };
const RELAY_PORT = 3001;
const FORWARDER_PORT = 4001;
const NEAR_PORT = 5000;
const FAR_PORT = 5001;

if (sandboxDirectory() === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  makeNetworks();
  const results: RelayResults = {
    single: await measure('rate', { offload: false, burst: 1, rounds: 15 }),
    bursts: await measure('rate', { offload: true, burst: 32, rounds: 15 }),
    delay: await measure('delay', { offload: true, burst: 2, rounds: 7 }),
  };
  process.stdout.write(`${JSON.stringify(results)}\n`);
  process.exit(0);
}

/** near — relay — far, two pairs of virtual cables. */
function makeNetworks(): void {
  for (const name of [NEAR.name, 'relay', FAR.name]) {
    run('ip', ['netns', 'add', name]);
    run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }
  for (const { name, own, relay } of [NEAR, FAR]) {
    const inside = `to-${name}`;
    run('ip', [
      'link',
      'add',
      'eth0',
      'netns',
      name,
      'type',
      'veth',
      'peer',
      'name',
      inside,
      'netns',
      'relay',
    ]);
    for (const [namespace, device, address] of [
      [name, 'eth0', own],
      ['relay', inside, relay],
    ] as const) {
      run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', device]);
      run('ip', ['-n', namespace, 'link', 'set', device, 'up']);
    }
  }
}

async function measure(
  what: 'rate' | 'delay',
  { offload, burst, rounds }: { readonly offload: boolean; readonly burst: number; readonly rounds: number },
): Promise<readonly LoadRound[]> {
  process.stderr.write(
    `${what}, ${offload ? `bursts of ${burst}` : 'single datagrams'}, ${rounds} rounds …\n`,
  );
  const options = ['--offload', offload ? 'yes' : 'no'];
  const relay = await start(['relay', `0.0.0.0:${RELAY_PORT}`, ...options]);
  const forwarder = await start([
    'forward',
    `0.0.0.0:${FORWARDER_PORT}`,
    `${FAR.own}:${FAR_PORT}`,
    ...options,
  ]);
  try {
    return await drive([
      ...['--near', `${NEAR.name},${NEAR.own}:${NEAR_PORT}`],
      ...['--far', `${FAR.name},${FAR.own}:${FAR_PORT}`],
      ...['--relay', `${relay.identity},${NEAR.relay}:${RELAY_PORT},${relay.pid}`],
      ...['--forwarder', `${NEAR.relay}:${FORWARDER_PORT},${forwarder.pid}`],
      ...['--measure', what, '--burst', String(burst), '--rounds', String(rounds)],
    ]);
  } finally {
    await Promise.all([end(relay.child), end(forwarder.child)]);
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly identity?: string;
}

/** A program between the networks; it tells who it is, once it listens. */
async function start(args: readonly string[]): Promise<Started> {
  const child = spawn('ip', ['netns', 'exec', 'relay', LOAD, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('close', () => reject(new PeerError('load', `peer-load ${args[0]} ended before it listened`)));
  });
  return { child, ...(JSON.parse(line) as { pid: number; identity?: string }) };
}

function end(child: ChildProcess): Promise<void> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin?.end();
  return closed;
}

async function drive(args: readonly string[]): Promise<readonly LoadRound[]> {
  const child = spawn(LOAD, ['drive', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new PeerError('load', 'peer-load drive broke off');
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LoadRound);
}
