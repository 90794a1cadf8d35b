/**
 * Role: measures a relay under many calls, at rest and while another peer floods it.
 *
 *   node relay-voices.js CALLS    runs itself in a sandbox and prints one line of JSON: VoicesResults
 *
 * Not here: the calls and the flood (crates/lab, peer-load); what the figures must be (kx-voices.ts).
 */

import { fileURLToPath } from 'node:url';
import {
  BESIDE,
  endLoad,
  FAR,
  type Load,
  makeRelayNetworks,
  NEAR,
  RELAY_PORT,
  socketOf,
  startLoad,
} from '../relay-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { finishWith } from './finish.js';
import type { VoicesResults, VoicesRound } from './voices-results.js';

const SELF = fileURLToPath(import.meta.url);
const SECONDS = 10;
const ROUNDS = 3;
const [calls = '500'] = process.argv.slice(2);

if (sandboxDirectory() === null) {
  process.exitCode = await runInSandbox(SELF, [calls]);
} else {
  prepareInside();
  makeRelayNetworks([NEAR, FAR, BESIDE]);
  finishWith(await measure());
}

async function measure(): Promise<VoicesResults> {
  const relay = await startLoad('relay', ['relay', `0.0.0.0:${RELAY_PORT}`]);
  const at = (address: string) => `${relay.identity},${address}:${RELAY_PORT},${relay.pid}`;
  process.stderr.write(`building ${calls} calls …\n`);
  const voices = await startLoad(NEAR.name, [
    'voices',
    ...['--near', socketOf(NEAR), '--far', socketOf(FAR), '--relay', at(NEAR.relay)],
    ...['--calls', calls, '--seconds', String(SECONDS)],
  ]);
  const { residentKb: idleKb } = voices as Load & { readonly residentKb: number };
  const quiet: VoicesRound[] = [];
  const flooded: VoicesRound[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    process.stderr.write(`round ${round} of ${ROUNDS}: all speak for ${SECONDS} s, then under a flood …\n`);
    quiet.push(await speak(voices, 'quiet'));
    const flood = await startLoad(BESIDE.name, [
      ...['flood', '--from', socketOf(BESIDE), '--relay', at(BESIDE.relay)],
    ]);
    flooded.push(await speak(voices, 'flood'));
    flood.child.stdin?.end();
    process.stderr.write(`${await flood.line()}\n`);
    await endLoad(flood);
  }
  await endLoad(voices);
  await endLoad(relay);
  return { idleKb, quiet, flooded };
}

async function speak(voices: Load, what: string): Promise<VoicesRound> {
  voices.child.stdin?.write(`${what}\n`);
  return JSON.parse(await voices.line()) as VoicesRound;
}
