/** Role: what holds for the APIs of all modules (Spec 3, 3.1.6, 3.2.5). Not here: requirements of one (dht-checks.ts, kx-checks.ts). */

import { encodeMessage, MESSAGE_TYPE } from '../../wire/message.js';
import type { Bench } from './bench.js';
import { describe } from './bench.js';
import { type Check, expect, type TestedModule } from './check.js';
import type { WireClient } from './wire-client.js';

const ERROR_SECTION = { dht: '3.1.6', kx: '3.2.5' } as const;
const ERROR_TYPE = { dht: MESSAGE_TYPE.dhtError, kx: MESSAGE_TYPE.kxError } as const;
const FAMILY = { dht: [500, 599], kx: [600, 699] } as const;
const SEVERAL = 3;

/** A message with this type and as many zero bytes as make up the size. */
function blank(type: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt16BE(size, 0);
  bytes.writeUInt16BE(type, 2);
  return bytes;
}

/** Messages that a module must close on, with what they are. */
function violations(module: TestedModule): readonly (readonly [name: string, what: string, bytes: Buffer])[] {
  const isDht = module === 'dht';
  const [get, reply, foreign] = isDht
    ? [MESSAGE_TYPE.dhtGet, MESSAGE_TYPE.dhtTraceReply, blank(MESSAGE_TYPE.kxDestroy, 36)]
    : [MESSAGE_TYPE.kxDestroy, MESSAGE_TYPE.kxReady, blank(MESSAGE_TYPE.dhtGet, 36)];
  return [
    ['closes-on-unknown-type', 'a type that no message has', blank(isDht ? 599 : 699, 36)],
    ['closes-on-foreign-type', 'a request to another module', foreign],
    ['closes-on-reply', 'a message that this module only sends', blank(reply, isDht ? 92 : 60)],
    [
      'closes-on-size-below-header',
      'a size below that of the header',
      Buffer.from([0, 3, get >> 8, get & 0xff]),
    ],
    ['closes-on-short', `a ${isDht ? 'GET' : 'DESTROY'} of 35 bytes instead of 36`, blank(get, 35)],
    ['closes-on-long', `a ${isDht ? 'GET' : 'DESTROY'} of 37 bytes instead of 36`, blank(get, 37)],
    isDht
      ? ['closes-on-short-put', 'a PUT of 43 bytes, where 44 are the least', blank(MESSAGE_TYPE.dhtPut, 43)]
      : [
          'closes-on-short-build',
          'a BUILD of 95 bytes instead of 96',
          blank(MESSAGE_TYPE.kxBuildIncoming, 95),
        ],
  ];
}

export function apiChecks(module: TestedModule): readonly Check[] {
  const required = (section: string, name: string, text: string, run: Check['run']): Check => ({
    address: `${module}/${section}/${name}`,
    level: 'required',
    text,
    run,
  });
  const error = ERROR_SECTION[module];
  return [
    required(
      '3',
      'size-counts-header',
      'the size in the header of a message counts all of it, the header too',
      sizes,
    ),
    required(
      '3',
      'types-of-this-module',
      'messages of a module have the types that are reserved for it',
      types,
    ),
    required('3', 'message-in-pieces', 'a message is served once it is whole, and not before', inPieces),
    required('3', 'several-at-once', 'several messages that come at once are each served', severalAtOnce),
    required('3', 'several-requests', 'a connection serves request after request', severalRequests),
    required(
      '3',
      'several-connections',
      'several connections are served at the same time',
      severalConnections,
    ),
    required(
      '3',
      'answers-who-asked',
      'an answer goes to the connection that asked, and to no other',
      whoAsked,
    ),
    required('3', 'closes-one-alone', 'a violation on one connection does not disturb another', oneAlone),
    ...violations(module).map(([name, what, bytes]) =>
      required(error, name, `a connection is terminated after ${what}`, async (bench) => {
        const client = await bench.connect();
        await client.send(bytes);
        await bench.isClosed(client, `after ${what}`);
      }),
    ),
    required(error, 'no-error-for-violation', 'ERROR is no answer to a violation of the API', noErrors),
    required(
      error,
      'error-names-request',
      'ERROR has the type of the request that it is about',
      async (bench) => {
        const { frame, request } = await provoke(bench);
        const named = frame.readUInt16BE(4);
        expect(named === request, `expected ${request}, got ${named}`);
      },
    ),
    required(
      error,
      'error-names-key',
      'ERROR has the key or pseudo-identity of the request',
      async (bench) => {
        const { frame, key } = await provoke(bench);
        const named = frame.subarray(8, 40);
        expect(named.equals(key), `expected ${key.toString('hex')}, got ${named.toString('hex')}`);
      },
    ),
    {
      address: `${module}/${error}/error-reserved-zero`,
      level: 'recommended',
      text: 'the reserved bytes of ERROR are zero',
      run: async (bench) => {
        const { frame } = await provoke(bench);
        const reserved = frame.subarray(6, 8).toString('hex');
        expect(reserved === '0000', `expected 0000, got ${reserved}`);
      },
    },
    required(
      error,
      'goes-on-after-error',
      'ERROR is no violation: the connection stays open after it',
      async (bench) => {
        const client = await bench.connect();
        await bench.isServed(client, 'a request that cannot be served');
        await bench.nothingComes(client, 'after ERROR');
        await bench.isServed(client, 'a request after ERROR');
      },
    ),
  ];
}

async function sizes(bench: Bench): Promise<void> {
  const client = await bench.connect();
  await client.send(encodeMessage(bench.probe()));
  const arrival = await client.next(bench.options.patienceMs);
  expect(arrival.kind === 'frame', `expected an answer, ${describe(arrival)}`);
  expect(arrival.frame.length === 40, `expected ERROR, whose size is 40, ${describe(arrival)}`);
  await bench.nothingComes(client, 'after a whole answer');
}

async function types(bench: Bench): Promise<void> {
  const { frame } = await firstFrame(bench);
  const type = frame.readUInt16BE(2);
  const [least, most] = FAMILY[bench.options.module];
  expect(type >= least && type <= most, `expected a type from ${least} to ${most}, got ${type}`);
}

async function inPieces(bench: Bench): Promise<void> {
  const client = await bench.connect();
  const bytes = encodeMessage(bench.probe());
  for (const [from, to] of [
    [0, 3],
    [3, 20],
  ] as const) {
    await client.send(bytes.subarray(from, to));
    await bench.nothingComes(client, `${to} of ${bytes.length} bytes were sent`);
  }
  await client.send(bytes.subarray(20));
  await bench.message(client, 'the rest of the message was sent');
  await bench.nothingComes(client, 'after the answer');
}

async function severalAtOnce(bench: Bench): Promise<void> {
  const client = await bench.connect();
  const keys = Array.from({ length: SEVERAL }, () => bench.randomId());
  await client.send(Buffer.concat(keys.map((key) => encodeMessage(bench.probe(key)))));
  const answered = new Set<string>();
  for (const place of keys.keys()) {
    const answer = await bench.message(client, `${SEVERAL} requests at once, answer ${place + 1}`);
    answered.add(keyOf(answer));
  }
  const missing = keys.filter((key) => !answered.has(key.toString('hex')));
  expect(missing.length === 0, `${missing.length} of ${SEVERAL} requests were not answered`);
}

async function severalRequests(bench: Bench): Promise<void> {
  const client = await bench.connect();
  for (let place = 1; place <= SEVERAL; place += 1) await bench.isServed(client, `request ${place}`);
}

async function severalConnections(bench: Bench): Promise<void> {
  const clients: WireClient[] = [];
  for (let place = 1; place <= SEVERAL; place += 1) {
    const client = await bench.connect();
    clients.push(client);
    await bench.isServed(client, `connection ${place}, while ${place - 1} others are open`);
  }
  for (const [place, client] of clients.entries())
    await bench.isServed(client, `connection ${place + 1} again`);
}

async function whoAsked(bench: Bench): Promise<void> {
  const [asking, other] = [await bench.connect(), await bench.connect()];
  await bench.isServed(asking, 'a request');
  await bench.nothingComes(other, 'on a connection that has not asked');
}

async function oneAlone(bench: Bench): Promise<void> {
  const [good, bad] = [await bench.connect(), await bench.connect()];
  await bench.isServed(good, 'a request');
  await bad.send(blank(0xffff, 4));
  await bench.isClosed(bad, 'after an unknown type');
  await bench.isServed(good, 'a request after the violation of another');
}

async function noErrors(bench: Bench): Promise<void> {
  for (const [, what, bytes] of violations(bench.options.module)) {
    const client = await bench.connect();
    await client.send(bytes);
    const { patienceMs, quietMs } = bench.options;
    for (const end = performance.now() + patienceMs; performance.now() < end; ) {
      const arrival = await client.next(quietMs);
      if (arrival.kind !== 'frame') break;
      const isError = arrival.frame.readUInt16BE(2) === ERROR_TYPE[bench.options.module];
      expect(!isError, `after ${what}: expected no ERROR, ${describe(arrival)}`);
    }
    client.destroy();
  }
}

async function firstFrame(bench: Bench): Promise<{ frame: Buffer; key: Buffer; request: number }> {
  const key = bench.randomId();
  const bytes = encodeMessage(bench.probe(key));
  const client = await bench.connect();
  await client.send(bytes);
  const arrival = await client.next(bench.options.patienceMs);
  expect(arrival.kind === 'frame', `expected an answer, ${describe(arrival)}`);
  return { frame: arrival.frame, key, request: bytes.readUInt16BE(2) };
}

/** ERROR as it came, and what it is about. */
async function provoke(bench: Bench): Promise<{ frame: Buffer; key: Buffer; request: number }> {
  const seen = await firstFrame(bench);
  const isError = seen.frame.length === 40 && seen.frame.readUInt16BE(2) === ERROR_TYPE[bench.options.module];
  expect(isError, `expected ERROR, ${describe({ kind: 'frame', frame: seen.frame })}`);
  return seen;
}

function keyOf(message: object): string {
  if ('key' in message) return (message.key as Buffer).toString('hex');
  return 'pseudoIdentity' in message ? (message.pseudoIdentity as Buffer).toString('hex') : '';
}
