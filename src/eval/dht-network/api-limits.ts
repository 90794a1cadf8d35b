/**
 * Role: whether a network of DHT daemons keeps every limit of the API to the byte (Spec 3.1, 3.1.1 to 3.1.6).
 *
 * Not here: the daemons (daemons.ts), load (api-attacker.ts).
 */

import { randomBytes } from 'node:crypto';
import { encodeMessage, MESSAGE_TYPE } from '../../wire/message.js';
import { ERROR_BYTES, exchange, putUntilFound } from './api-exchange.js';
import type { DhtDaemon, DhtDaemons } from './daemons.js';
import { RawConnection } from './raw-connection.js';

export interface LimitCheck {
  readonly name: string;
  readonly held: boolean;
}

/** Around the most that one datagram carries (1329), and around the most that one message carries. */
const CONTENT_BYTES = [0, 1, 512, 1_328, 1_329, 1_330, 2_000, 32_768, 65_490, 65_491];
const MAX_KEY_BYTES = 65_536;
const MAX_CONTENT_BYTES = 65_491;
const CLOSED_MS = 5_000;
const SETTLE_MS = 3_000;
/** REPLICATION where the config names none. */
const DEFAULT_REPLICATION = 5;

export async function checkLimits(network: DhtDaemons): Promise<LimitCheck[]> {
  const [first, second] = network.daemons as [DhtDaemon, DhtDaemon];
  const checks: LimitCheck[] = [];
  const check = async (name: string, holds: () => Promise<boolean>) => {
    checks.push({ name, held: await holds().catch(() => false) });
  };

  for (const bytes of CONTENT_BYTES) {
    await check(`a content of ${bytes} bytes comes back as it is`, () => comesBack(first, second, bytes));
  }
  for (const frame of violations()) {
    await check(`${frame.toString('hex', 0, 4)}… with ${frame.length} bytes closes the connection`, () =>
      isClosedBy(first, frame),
    );
  }
  await check('GET of nothing gives an ERROR of 40 bytes with its type and key', async () => {
    const key = randomBytes(32);
    const answer = await exchange(first.api, encodeMessage({ type: 'dht-get', key }), ERROR_BYTES + 1);
    return answer.equals(encodeMessage({ type: 'dht-error', requestType: MESSAGE_TYPE.dhtGet, key }));
  });
  await check('TRACE gives 36 + 56 n bytes', () => tracesWhole(first));
  await check('a TTL of 0 gives an ERROR', () =>
    isRefused(first, put(randomBytes(32), 8, { ttlSeconds: 0 })),
  );
  for (const ttlSeconds of [43_200, 43_201, 65_535]) {
    await check(`a TTL of ${ttlSeconds} is taken`, () => comesBack(first, second, 10, ttlSeconds));
  }
  await check('a TTL of 1 ends after a second', () => endsInTime(first, second));
  for (const replication of [0, 1, 3, network.daemons.length, 255]) {
    const expected = Math.min(replication || DEFAULT_REPLICATION, network.daemons.length);
    await check(`replication ${replication} is on ${expected} peers`, () =>
      isHeldBy(network, replication, expected),
    );
  }
  await check(`a key takes ${MAX_KEY_BYTES} bytes of content and not one more`, () => fills(first, second));
  return checks;
}

const put = (
  key: Buffer,
  bytes: number,
  { ttlSeconds = 600, replication = 2 }: { ttlSeconds?: number; replication?: number } = {},
) => ({ key, content: randomBytes(bytes), ttlSeconds, replication });

/** Frames that no correct client sends to a DHT. */
function violations(): Buffer[] {
  const frame = (size: number, type: number, length = size) => {
    const bytes = Buffer.alloc(Math.max(4, length));
    bytes.writeUInt16BE(size, 0);
    bytes.writeUInt16BE(type, 2);
    return bytes;
  };
  const wrongSizes = [0, 1, 2, 3].map((size) => frame(size, MESSAGE_TYPE.dhtGet));
  const wrongLengths = [4, 35, 37, 65_535].flatMap((size) => [frame(size, 501), frame(size, 502)]);
  const wrongTypes = [0, 499, 503, 504, 505, 506, 600, 601, 602, 603, 604, 65_535].map((type) =>
    frame(96, type),
  );
  return [...wrongSizes, ...wrongLengths, frame(4, 500), frame(43, 500), ...wrongTypes];
}

async function comesBack(from: DhtDaemon, at: DhtDaemon, bytes: number, ttlSeconds = 600): Promise<boolean> {
  const item = put(randomBytes(32), bytes, { ttlSeconds });
  await putUntilFound(from.api, at.api, item);
  const { key, content } = item;
  const expected = encodeMessage({ type: 'dht-get-reply', key, content });
  const answer = await exchange(at.api, encodeMessage({ type: 'dht-get', key }), expected.length);
  return answer.equals(expected);
}

async function isClosedBy({ api }: DhtDaemon, frame: Buffer): Promise<boolean> {
  const connection = new RawConnection(api);
  connection.send(frame);
  const closed = await connection.isClosedWithin(CLOSED_MS);
  const answer = await connection.read(1, 1);
  connection.destroy();
  return closed && answer.length === 0;
}

async function isRefused({ api }: DhtDaemon, item: ReturnType<typeof put>): Promise<boolean> {
  const answer = await exchange(api, encodeMessage({ type: 'dht-put', ...item }), ERROR_BYTES);
  const { key } = item;
  return answer.equals(encodeMessage({ type: 'dht-error', requestType: MESSAGE_TYPE.dhtPut, key }));
}

async function tracesWhole({ api }: DhtDaemon): Promise<boolean> {
  const connection = new RawConnection(api);
  connection.send(encodeMessage({ type: 'dht-trace', key: randomBytes(32) }));
  const head = await connection.read(4, CLOSED_MS);
  const size = head.readUInt16BE(0);
  const body = await connection.read(size - 4, CLOSED_MS);
  connection.destroy();
  const hops = (size - 36) / 56;
  return (
    head.readUInt16BE(2) === MESSAGE_TYPE.dhtTraceReply &&
    Number.isInteger(hops) &&
    hops >= 1 &&
    body.length === size - 4
  );
}

async function endsInTime(from: DhtDaemon, at: DhtDaemon): Promise<boolean> {
  const item = put(randomBytes(32), 10, { ttlSeconds: 1 });
  const started = Date.now();
  await putUntilFound(from.api, at.api, item);
  await new Promise((resolve) => setTimeout(resolve, 2_000 - (Date.now() - started)));
  const answer = await exchange(at.api, encodeMessage({ type: 'dht-get', key: item.key }), 4);
  return answer.readUInt16BE(2) === MESSAGE_TYPE.dhtError;
}

async function isHeldBy(network: DhtDaemons, replication: number, expected: number): Promise<boolean> {
  const sum = async () => (await network.keysHeld()).reduce((total, keys) => total + keys, 0);
  const [first, second] = network.daemons as [DhtDaemon, DhtDaemon];
  const before = await sum();
  await putUntilFound(first.api, second.api, put(randomBytes(32), 100, { replication }));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS / 3));
  return (await sum()) - before === expected;
}

/** At all peers, since one that is full would be replaced by another. */
async function fills(from: DhtDaemon, at: DhtDaemon): Promise<boolean> {
  const key = randomBytes(32);
  const everywhere = { replication: 255 };
  await putUntilFound(from.api, at.api, put(key, MAX_CONTENT_BYTES, everywhere));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS / 3));
  const rest = put(key, MAX_KEY_BYTES - MAX_CONTENT_BYTES, everywhere);
  if (await isAnswered(from, rest)) return false;
  return isRefused(from, put(key, 1, everywhere));
}

/** Whether a PUT gets an answer, which only an ERROR can be. */
async function isAnswered({ api }: DhtDaemon, item: ReturnType<typeof put>): Promise<boolean> {
  const connection = new RawConnection(api);
  connection.send(encodeMessage({ type: 'dht-put', ...item }));
  const answer = await connection.read(1, SETTLE_MS);
  connection.destroy();
  return answer.length > 0;
}
