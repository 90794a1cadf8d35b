/**
 * Role: API messages with random faults, and whether a daemon takes each as it must.
 *
 * Invariant: what is to come of a message is decided by the codec of the API alone.
 *
 * Not here: floods (api-attacker.ts).
 */

import { randomBytes, randomInt } from 'node:crypto';
import type { ApiEndpoint } from '../../api/client.js';
import { type ApiMessage, decodeMessage, encodeMessage, MESSAGE_TYPE } from '../../wire/message.js';
import { RawConnection } from './raw-connection.js';

const AT_ONCE = 16;
const ENDS_WITHIN_MS = 15_000;
const MUTATIONS = 4;

/** Sends `count` messages, each on a connection of its own; the number of those that were not taken as they must be. */
export async function fuzzApi(endpoint: ApiEndpoint, count: number): Promise<number> {
  let left = count;
  let wrong = 0;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      if (!(await isTakenWell(endpoint, mutate(encodeMessage(randomMessage()))))) wrong += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return wrong;
}

function randomMessage(): ApiMessage {
  const key = randomBytes(32);
  switch (randomInt(4)) {
    case 0:
      return { type: 'dht-get', key };
    case 1:
      return { type: 'dht-trace', key };
    case 2:
      return { type: 'dht-get-reply', key, content: randomBytes(randomInt(100)) };
    default: {
      const numbers = { ttlSeconds: randomInt(65_536), replication: randomInt(256) };
      return { type: 'dht-put', key, ...numbers, content: randomBytes(randomInt(3_000)) };
    }
  }
}

/** What a mutation is drawn from. */
export interface Dice {
  /** In [0, below). */
  integer(below: number): number;
  bytes(length: number): Buffer;
}

const ANY_DICE: Dice = { integer: (below) => randomInt(below), bytes: randomBytes };

/** Some bytes changed, cut off, added or moved; now and then none. */
export function mutate(message: Buffer, dice: Dice = ANY_DICE): Buffer {
  let bytes = Buffer.from(message);
  for (let times = dice.integer(MUTATIONS); times > 0 && bytes.length > 0; times--) {
    const at = dice.integer(Math.min(bytes.length, dice.integer(2) === 0 ? 4 : bytes.length));
    switch (dice.integer(4)) {
      case 0:
        bytes[at] = dice.integer(256);
        break;
      case 1:
        bytes = bytes.subarray(0, at);
        break;
      case 2:
        bytes = Buffer.concat([bytes, dice.bytes(dice.integer(50))]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
    }
  }
  return bytes;
}

const ACCEPTED: readonly number[] = [MESSAGE_TYPE.dhtPut, MESSAGE_TYPE.dhtGet, MESSAGE_TYPE.dhtTrace];

/** Whether the first message in the bytes is one that the daemon may answer. */
export function mayBeAnswered(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  const frame = bytes.subarray(0, bytes.readUInt16BE(0));
  return decodeMessage(frame).ok && ACCEPTED.includes(frame.readUInt16BE(2));
}

/** The daemon must end the connection, as nothing more is sent, and answer nothing that it must not. */
async function isTakenWell(endpoint: ApiEndpoint, bytes: Buffer): Promise<boolean> {
  const connection = new RawConnection(endpoint);
  connection.send(bytes);
  connection.endSending();
  const ended = await connection.isClosedWithin(ENDS_WITHIN_MS);
  const answer = await connection.read(1, 1);
  connection.destroy();
  return ended && (answer.length === 0 || mayBeAnswered(bytes));
}
