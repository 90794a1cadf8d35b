import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bulk } from '../../../src/dht/bulk.js';
import { CertifiedKeys } from '../../../src/dht/certified-keys.js';
import type { Contact, UnverifiedContact } from '../../../src/dht/contact.js';
import { Counters } from '../../../src/dht/counters.js';
import type { Endpoint } from '../../../src/dht/environment.js';
import { Peers } from '../../../src/dht/peers.js';
import type { RpcAnswer, RpcRequest } from '../../../src/dht/rpc-message.js';
import { type SlotLimits, StreamSlots } from '../../../src/dht/stream-slots.js';
import { EvenPaths } from '../../../src/eval/sim/paths.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { standInChannel } from '../../../src/eval/sim/stand-in-channel.js';
import { standInContact } from '../../../src/eval/sim/stand-in-contact.js';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';
import { ORIGIN, VirtualInternet } from '../../../src/eval/sim/virtual-internet.js';

const test = suite('dht requests over streams');
const random = new SeededRandom('bulk.test');

interface Heard {
  readonly answers: string[];
  failures: number;
}

/** An asker, and a peer that answers everything with `answers`. */
function pair(answers: readonly RpcAnswer[], slotLimits?: SlotLimits) {
  const clock = new VirtualClock();
  const internet = new VirtualInternet(clock, new EvenPaths(10));
  const contacts = new Map<string, Contact>();
  const node = (host: string) => {
    const endpoint: Endpoint = { family: 4, host, port: 3000 };
    const contact = standInContact(random, endpoint, clock.now() / 1000);
    contacts.set(contact.id, contact);
    const transport = internet.attach(endpoint, ORIGIN);
    const channel = standInChannel(contact.identity, contact.key, random);
    const bulk = new Bulk({
      ...{
        clock,
        transport,
        channel,
        certified: new CertifiedKeys(channel, new Peers()),
        counters: new Counters(),
      },
      reaches: () => true,
      self: () => contact,
      verify: (unverified: UnverifiedContact) => contacts.get(unverified.id) ?? null,
      onRequest: () => [...answers],
      ...(slotLimits ? { slotLimits } : {}),
    });
    transport.receiver = { handleDatagram: () => {}, handleStream: (stream) => bulk.serve(stream) };
    return { contact, bulk };
  };
  return { clock, internet, asker: node('10.0.0.1'), asked: node('10.0.0.2') };
}

/** What an asker hears of a peer that answers `request` with `answers`. */
async function ask(request: RpcRequest, answers: readonly RpcAnswer[]): Promise<Heard> {
  const { clock, asker, asked } = pair(answers);
  const heard: Heard = { answers: [], failures: 0 };
  asker.bulk.request(asked.contact, request, {
    onAnswer: ({ kind }) => heard.answers.push(kind),
    onFailure: () => {
      heard.failures += 1;
    },
  });
  await clock.advance(120_000);
  assert.is(asker.bulk.streams.started, 0);
  assert.is(asked.bulk.streams.served, 0);
  return heard;
}

const key = random.bytes(32);
const fetch: RpcRequest = { kind: 'fetch', key, held: [] };
const store: RpcRequest = { kind: 'store', key, ttlMs: 60_000, replication: 1, content: random.bytes(3_000) };
const stored: RpcAnswer = { kind: 'stored', verdict: 'stored' };
const end: RpcAnswer = { kind: 'end' };
const bytes = random.bytes(100);
const part: RpcAnswer = { kind: 'part', hash: random.bytes(32), totalBytes: 100, offset: 0, bytes };

test('the answers of each kind of request arrive', async () => {
  assert.equal(await ask(fetch, [part, end]), { answers: ['part', 'end'], failures: 0 });
  assert.equal(await ask(store, [stored]), { answers: ['stored'], failures: 0 });
});

test('an answer that belongs to another kind of request is a failure, once, and never an end', async () => {
  const wrong: readonly [RpcRequest, RpcAnswer][] = [
    [fetch, stored],
    [fetch, { kind: 'taken', verdict: 'taken' }],
    [fetch, { kind: 'pong' }],
    [store, end],
    [store, part],
    [store, { kind: 'taken', verdict: 'taken' }],
  ];
  for (const [request, answer] of wrong) {
    const heard = await ask(request, [answer, answer, answer]);
    assert.equal(heard, { answers: [], failures: 1 }, `${request.kind} answered by ${answer.kind}`);
  }
});

test('what comes without its end is a failure', async () => {
  assert.equal(await ask(fetch, [part]), { answers: ['part'], failures: 1 });
  assert.equal(await ask(store, []), { answers: [], failures: 1 });
});

const LIMITS = { open: 6, openForOthers: 4, waiting: 8 };

test('streams beyond those that may be open wait, and those beyond these fail; each request has one end', async () => {
  const { clock, asker, asked } = pair([stored], LIMITS);
  const heard: Heard = { answers: [], failures: 0 };
  const callbacks = {
    onAnswer: ({ kind }: RpcAnswer) => heard.answers.push(kind),
    onFailure: () => {
      heard.failures += 1;
    },
  };
  for (let i = 0; i < 20; i++) asker.bulk.request(asked.contact, store, callbacks, true);
  assert.equal(asker.bulk.streams, { served: 0, started: 4, waiting: 8 });
  asker.bulk.request(asked.contact, store, callbacks);
  assert.is(asker.bulk.streams.started, 5, 'our own has room beside them');
  await clock.advance(120_000);
  assert.equal(heard, { answers: new Array(13).fill('stored'), failures: 8 });
  assert.equal(asker.bulk.streams, { served: 0, started: 0, waiting: 0 });
  const nowhere = { ...asked.contact, ipv4: null };
  for (let i = 0; i < 8; i++) asker.bulk.request(nowhere, store, callbacks);
  await clock.advance(1_000);
  assert.is(heard.failures, 16, 'whoever cannot be reached gives the slot back');
  assert.is(asker.bulk.streams.waiting, 0);
});

test('whoever waits for a stream is told when the node closes', async () => {
  const { clock, asker, asked } = pair([], LIMITS);
  let failures = 0;
  const callbacks = { onAnswer: () => {}, onFailure: () => void failures++ };
  for (let i = 0; i < 9; i++) asker.bulk.request(asked.contact, store, callbacks);
  asker.bulk.close();
  await clock.advance(1_000);
  assert.is(failures, 9);
  assert.equal(asker.bulk.streams, { served: 0, started: 0, waiting: 0 });
});

test('a slot that gets free goes to our own requests first', () => {
  const slots = new StreamSlots({ open: 2, openForOthers: 1, waiting: 3 });
  const started: string[] = [];
  const take = (forOthers: boolean, name: string) =>
    slots.take(forOthers, { start: () => started.push(name), drop: () => {} });
  for (const name of ['o1', 'o2', 'o3', 'o4']) assert.ok(take(true, name));
  assert.not.ok(take(true, 'o5'));
  for (const name of ['a1', 'a2']) assert.ok(take(false, name));
  assert.equal(started, ['o1', 'a1']);
  slots.free(true);
  assert.equal(started, ['o1', 'a1', 'a2']);
  slots.free(false);
  slots.free(false);
  assert.equal(started, ['o1', 'a1', 'a2', 'o2']);
});

test.run();
