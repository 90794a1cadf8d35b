/**
 * Role: measures a relay between two networks beside a plain UDP forwarder in its place.
 *
 *   node relay-speed.js    runs itself in a sandbox and prints one line of JSON: RelayResults
 *
 * Not here: the relay, the forwarder and what drives them (crates/lab, peer-load); what the figures must be (kx-relay.ts).
 */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import {
  endLoad,
  FAR,
  LOAD,
  makeRelayNetworks,
  NEAR,
  RELAY_PORT,
  socketOf,
  startLoad,
} from '../relay-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { finishWith } from './finish.js';
import type { LoadRound, RelayResults } from './relay-results.js';

const SELF = fileURLToPath(import.meta.url);
const FORWARDER_PORT = 4001;

if (sandboxDirectory() === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  makeRelayNetworks([NEAR, FAR]);
  const results: RelayResults = {
    single: await measure('rate', { offload: false, burst: 1, rounds: 15 }),
    bursts: await measure('rate', { offload: true, burst: 32, rounds: 15 }),
    delay: await measure('delay', { offload: true, burst: 2, rounds: 7 }),
  };
  finishWith(results);
}

async function measure(
  what: 'rate' | 'delay',
  { offload, burst, rounds }: { readonly offload: boolean; readonly burst: number; readonly rounds: number },
): Promise<readonly LoadRound[]> {
  process.stderr.write(
    `${what}, ${offload ? `bursts of ${burst}` : 'single datagrams'}, ${rounds} rounds …\n`,
  );
  const options = ['--offload', offload ? 'yes' : 'no'];
  const relay = await startLoad('relay', ['relay', `0.0.0.0:${RELAY_PORT}`, ...options]);
  const forwarder = await startLoad('relay', [
    'forward',
    `0.0.0.0:${FORWARDER_PORT}`,
    `${FAR.own}:${FAR.port}`,
    ...options,
  ]);
  try {
    return await drive([
      ...['--near', socketOf(NEAR)],
      ...['--far', socketOf(FAR)],
      ...['--relay', `${relay.identity},${NEAR.relay}:${RELAY_PORT},${relay.pid}`],
      ...['--forwarder', `${NEAR.relay}:${FORWARDER_PORT},${forwarder.pid}`],
      ...['--measure', what, '--burst', String(burst), '--rounds', String(rounds)],
    ]);
  } finally {
    await Promise.all([endLoad(relay), endLoad(forwarder)]);
  }
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
