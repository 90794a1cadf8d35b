/**
 * Role: a conversation through a tunnel while it is rotated, or while relays die under it.
 *
 *   node disturbances.js rotations COUNT    → one line of JSON: RotationResults
 *   node disturbances.js deaths COUNT       → one line of JSON: DeathResults
 *
 * Both run themselves in a sandbox, with eight peers or more in namespaces of their own.
 *
 * Not here: what the figures must be (kx-rotation.ts).
 */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CallNetwork, SERVED_PORT } from '../call-network.js';
import { BridgedHosts } from '../namespaces.js';
import { PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import type { StreamResults } from '../stream-results.js';
import type { Death, DeathResults, RotationResults } from './disturbance-results.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const STREAM = fileURLToPath(new URL('../stream-probe.js', import.meta.url));
const PEERS = 9;
const TCP_BYTES_PER_SECOND = 250_000;
/** How long a death may be felt, and how long the network has to come to rest before the next one. */
const AFTER_DEATH_MS = 3_000;
const REST_MS = 2_000;
/** A death that is felt for longer is told of. */
const SLOW_MS = 400;
const [what = '', amount = '0'] = process.argv.slice(2);

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  const hosts = new BridgedHosts('peers');
  hosts.attach();
  const network = new PeerNetwork(hosts, directory);
  const measured = what === 'rotations' ? rotations(network, hosts) : deaths(network, hosts);
  finishWith(await (measured as Promise<object>).finally(() => network.stop()));
}

async function rotations(network: PeerNetwork, hosts: BridgedHosts): Promise<RotationResults> {
  const call = await CallNetwork.make(network, { peers: PEERS, rotateSeconds: 1, tell });
  const stream = await begin(hosts, call, TCP_BYTES_PER_SECOND);
  const rotated = async () => {
    const counters = await Promise.all([call.callee, call.caller].map((peer) => call.tunnelCounters(peer)));
    return counters.reduce((sum, { rotated = 0 }) => sum + rotated, 0);
  };
  const before = await rotated();
  let done = 0;
  while (done < Number(amount)) {
    await pause(5_000);
    done = (await rotated()) - before;
    tell(`${done} of ${amount} rotations`);
  }
  return { rotations: done, stream: await stream.end() };
}

async function deaths(network: PeerNetwork, hosts: BridgedHosts): Promise<DeathResults> {
  const call = await CallNetwork.make(network, { peers: PEERS, tell });
  const stream = await begin(hosts, call, 0);
  const times: { at: number }[] = [];
  while (times.length < Number(amount)) {
    await pause(REST_MS);
    const relays = await call.relays();
    const victim = relays[Math.floor(Math.random() * relays.length)];
    if (victim === undefined) throw new Error('nobody relays the call');
    times.push({ at: Date.now() });
    call.kill(victim);
    await pause(AFTER_DEATH_MS);
    await call.restart(victim);
    if (times.length % 10 === 0) tell(`${times.length} of ${amount} deaths`);
  }
  const results = await stream.end();
  const felt = times.map(({ at }) => gapAfter(at, results));
  for (const death of felt.filter(({ gapMs }) => gapMs > SLOW_MS)) await tellWhatHappened(call, death);
  return { deaths: felt, stream: results };
}

/** What the two ends have logged about a death that was felt for long. */
async function tellWhatHappened(call: CallNetwork, { at, gapMs }: Death): Promise<void> {
  tell(`a death was felt for ${gapMs} ms:`);
  for (const peer of [call.callee, call.caller]) {
    for (const line of (await readFile(join(peer.directory, 'kx.log'), 'utf8')).split('\n')) {
      const time =
        Date.parse(/"time":"([^"]+)"/.exec(line)?.[1] ?? '') || Number(/"time":(\d+)/.exec(line)?.[1]);
      if (time >= at && time < at + AFTER_DEATH_MS * 2) tell(`  ${peer.host.name} +${time - at} ms ${line}`);
    }
  }
}

/** The longest pause in the stream that a death at `at` can have made. */
function gapAfter(at: number, { udp }: StreamResults): Death {
  const felt = udp.gaps.filter(
    ({ from, milliseconds }) => from + milliseconds > at && from < at + AFTER_DEATH_MS,
  );
  return { at, gapMs: Math.max(0, ...felt.map(({ milliseconds }) => milliseconds)) };
}

async function begin(
  hosts: BridgedHosts,
  call: CallNetwork,
  tcpBytesPerSecond: number,
): Promise<{ end(): Promise<StreamResults> }> {
  const child = hosts.spawn(
    call.caller.host,
    process.execPath,
    [STREAM, call.address, String(SERVED_PORT), String(tcpBytesPerSecond)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  if (child.stdout !== null) await once(child.stdout, 'data');
  return {
    end: async () => {
      child.stdin?.end();
      await once(child, 'close');
      return JSON.parse(output.trim().split('\n').at(-1) ?? '') as StreamResults;
    },
  };
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
