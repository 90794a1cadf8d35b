/**
 * Role: slow clients of an API: they send requests a byte at a time, and ask a DHT for far more than they read.
 *
 * Not here: clients that stop in the middle (half-open.ts).
 */

import { askWithoutReading, sendSlowly } from '../../../eval/dht-network/api-attacks.js';
import { putUntilFound } from '../../../eval/dht-network/api-exchange.js';
import { encodeMessage } from '../../../wire/message.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { type AttackedApi, apisOf, OpenConnections } from './apis.js';

const CLIENTS = 100;
const NEVER_READING = 2;
const BYTE_MS = 300;
const ROUND_MS = 100;
const CONTENT_BYTES = 60_000;
const TTL_SECONDS = 43_200;
/** More than the system and the module together keep for a client that does not read. */
const ASKED_FOR = 300;

export const apiSlow: Attacker = {
  name: 'api-slow',
  what: 'is a hundred slow clients of each API: they send a byte at a time, or ask for much and never read',
  counters: ['dht.state.api.violations.not-reading'],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const apis = apisOf(config);
  const largeKey = random.bytes(32);
  const large = {
    key: largeKey,
    content: random.bytes(CONTENT_BYTES),
    ttlSeconds: TTL_SECONDS,
    replication: 1,
  };
  for (const api of apis) if (api.module === 'dht') await putUntilFound(api, api, large);
  attack.begin();
  const [sending, notReading] = [new OpenConnections(), new OpenConnections()];
  while (!over.aborted) {
    if (sending.size < CLIENTS * apis.length)
      for (const api of apis) {
        sendSlowly(sending.make(api), request(attack, api), BYTE_MS);
        count('clients that send a byte at a time');
      }
    for (const api of apis) {
      if (api.module !== 'dht' || notReading.size >= NEVER_READING) continue;
      const connection = notReading.make(api, () => count('of these closed by the module'));
      askWithoutReading(connection, largeKey, ASKED_FOR);
      count('clients that never read');
    }
    await pause(ROUND_MS, over);
  }
  for (const some of [sending, notReading]) some.destroy();
}

function request({ random }: Attack, { module }: AttackedApi): Buffer {
  const id = random.bytes(32);
  return encodeMessage(
    module === 'dht' ? { type: 'dht-get', key: id } : { type: 'kx-destroy', pseudoIdentity: id },
  );
}
