/**
 * Role: tries the API of real `peer dht` processes: its limits, large contents, faulty messages, hostile clients.
 *
 *   node api-trials.js    runs itself in a sandbox and prints one line of JSON: ApiResults
 *
 * Not here: the daemons and the clients (dht-network/); what the figures must be (dht-api.ts).
 */

import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_CONTENT_BYTES } from '../../wire/dht.js';
import type { AttackResults } from '../dht-network/api-attacker.js';
import { getOnce, LastingClient, type Miss, putUntilFound } from '../dht-network/api-exchange.js';
import { fuzzApi } from '../dht-network/api-fuzz.js';
import { checkLimits } from '../dht-network/api-limits.js';
import { type DhtDaemon, DhtDaemons, residentBytes } from '../dht-network/daemons.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import type { ApiResults } from './api-results.js';
import { ATTACK_CONNECTIONS, DAEMONS, FUZZED_MESSAGES, LARGE_GETS } from './api-scale.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const ATTACKER = fileURLToPath(new URL('../dht-network/api-attacker.js', import.meta.url));
const PRIMES = fileURLToPath(new URL('../../../../.cache/goals/primes.txt', import.meta.url));
const LARGE_CONTENTS = 12;
const PAUSE_MS = 50;
const WATCH_MS = 250;
const REST_MS = 3_000;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, []);
} else {
  prepareInside();
  mkdirSync(join(directory, 'peers'));
  tell(`${DAEMONS} daemons …`);
  const network = await DhtDaemons.start(join(directory, 'peers'), PRIMES, DAEMONS);
  const results = await tryAll(network);
  network.end();
  finishWith(results);
}

async function tryAll(network: DhtDaemons): Promise<ApiResults> {
  const [victim] = network.daemons as [DhtDaemon];
  tell('limits …');
  const limits = await checkLimits(network);
  tell('large contents …');
  const keys = await putElsewhere(network, victim);
  const atRest = await getMany(victim, keys, LARGE_GETS);
  tell(`${FUZZED_MESSAGES} faulty messages …`);
  const fuzzed = { messages: FUZZED_MESSAGES, wrong: await fuzzApi(victim.api, FUZZED_MESSAGES) };
  tell(`${ATTACK_CONNECTIONS} hostile connections …`);
  const before = residentBytes(victim);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, residentBytes(victim));
  }, WATCH_MS);
  const attack = runAttacker(victim, keys[0] as Buffer);
  let over = false;
  void attack.finally(() => {
    over = true;
  });
  const underAttack = await getMany(victim, keys, Number.POSITIVE_INFINITY, () => over);
  clearInterval(watch);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const alive =
    victim.process.exitCode === null && (await network.status(victim)).node.contacts >= DAEMONS - 1;
  return { limits, atRest, underAttack, attack: await attack, grownBytes: most - before, fuzzed, alive };
}

/** Keys of large contents that one peer holds, which is not `victim`. */
async function putElsewhere(network: DhtDaemons, victim: DhtDaemon): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  const other = network.daemons.at(-1) as DhtDaemon;
  while (keys.length < LARGE_CONTENTS) {
    const before = (await network.status(victim)).node.store.keys;
    const key = randomBytes(32);
    const content = randomBytes(MAX_CONTENT_BYTES);
    await putUntilFound(other.api, other.api, { key, content, ttlSeconds: 3_600, replication: 1 });
    if ((await network.status(victim)).node.store.keys === before) keys.push(key);
  }
  return keys;
}

/**
 * GETs of two honest clients, one with a connection that lasts and one with a connection for each GET, a pause after each,
 * until there are `count` or `over` says so. A connection that was lost is made anew, and that GET counts as missed.
 */
async function getMany(
  at: DhtDaemon,
  keys: readonly Buffer[],
  count: number,
  over: () => boolean = () => false,
): Promise<(number | Miss)[]> {
  const times: (number | Miss)[] = [];
  const work = async (get: (key: Buffer) => Promise<number | Miss>) => {
    while (times.length < count && !over()) {
      times.push(await get(keys[randomInt(keys.length)] as Buffer));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  let lasting = await LastingClient.connect(at.api);
  const getLasting = async (key: Buffer) => {
    const time = await lasting.get(key);
    if (!lasting.isOpen) lasting = await LastingClient.connect(at.api);
    return time;
  };
  await Promise.all([work(getLasting), work((key) => getOnce(at.api, key))]);
  return times;
}

function runAttacker({ api }: DhtDaemon, largeKey: Buffer): Promise<AttackResults> {
  const args = [api.host, String(api.port), String(ATTACK_CONNECTIONS), largeKey.toString('hex')];
  const child = spawn(process.execPath, [ATTACKER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as AttackResults);
      else reject(new Error('the attack could not be made; its words stand above'));
    });
  });
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
