/**
 * Role: sends an API what no client would: noise in frames of right length, messages of which some bytes are changed, cut or moved,
 * and right ones that are for the other side.
 *
 * Not here: whether each is taken as it must be (eval/dht-network/api-fuzz.ts, as a goal).
 */

import { sendNoise } from '../../../eval/dht-network/api-attacks.js';
import { mutate } from '../../../eval/dht-network/api-fuzz.js';
import { type ApiMessage, encodeMessage } from '../../../wire/message.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { type AttackedApi, apisOf, OpenConnections } from './apis.js';

const AT_ONCE = 32;
const A_ROUND = 4;
const ROUND_MS = 50;
const NOISE_BYTES = 64;

export const apiMalformed: Attacker = {
  name: 'api-malformed',
  what: 'sends each API noise, faulty messages and messages that are for the other side',
  counters: [
    'dht.state.api.violations.malformed',
    'dht.state.api.violations.unexpected-type',
    'kx.state.api.violations.malformed',
    'kx.state.api.violations.unexpected-type',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, over, random, count } = attack;
  const apis = apisOf(config);
  const connections = new OpenConnections();
  attack.begin();
  while (!over.aborted) {
    for (const api of apis) {
      for (let round = 0; round < A_ROUND && connections.size < AT_ONCE * apis.length; round++) {
        const connection = connections.make(api, () => {
          if (!over.aborted) count('closed by the module');
        });
        const wrong = encodeMessage(notFor(attack, api));
        if (round === 0) sendNoise(connection, random.bytes(NOISE_BYTES));
        else connection.send(round === 1 ? wrong : mutate(wrong, random));
        count('faulty messages');
      }
    }
    await pause(ROUND_MS, over);
  }
  connections.destroy();
}

/** What the module itself sends. */
function notFor({ random }: Attack, { module }: AttackedApi): ApiMessage {
  const id = random.bytes(32);
  if (module === 'dht') return { type: 'dht-get-reply', key: id, content: random.bytes(random.integer(100)) };
  return { type: 'kx-ready', pseudoIdentity: id, ipv4: random.bytes(4), ipv6: random.bytes(16) };
}
