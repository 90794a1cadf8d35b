/** What a node does at most for the onions of others: as their exit and on the way back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import { Counters } from '../../../src/dht/counters.js';
import { Network, type NetworkParts } from '../../../src/dht/network.js';
import { CopyLimit, copiesOf } from '../../../src/dht/private/copy-limit.js';
import { Exit } from '../../../src/dht/private/exit.js';
import { decodeExitReply, encodeExitRequest } from '../../../src/dht/private/exit-message.js';
import type { Legs, WayBack } from '../../../src/dht/private/legs.js';
import type { Reply } from '../../../src/dht/private/onion.js';
import type { LayerKeys, OnionCipher } from '../../../src/dht/private/onion-cipher.js';
import { PassedReplies } from '../../../src/dht/private/passed-replies.js';
import { ReplyBacklog } from '../../../src/dht/private/reply-backlog.js';
import { putContent } from '../../../src/dht/put.js';
import { MAX_PENDING_FOR_OTHERS } from '../../../src/dht/rpc.js';
import type { StoreItem } from '../../../src/dht/rpc-message.js';
import { MAX_CONTENT_BYTES } from '../../../src/dht/store.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { standInContact } from '../../../src/eval/sim/stand-in-contact.js';
import { standInOnionCipher } from '../../../src/eval/sim/stand-in-onion-cipher.js';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';
import { VirtualNetwork, type VirtualNode } from '../../../src/eval/sim/virtual-network.js';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { readyNetwork } from './watched-network.js';

const test = suite('dht limits for the onions of others');
const random = new SeededRandom('private-limits.test');
const HOUR_MS = 3_600_000;

const someContact = (index = 0): Contact =>
  standInContact(random, { family: 4, host: `10.1.${index >> 8}.${index & 255}`, port: 3000 }, 1_800_000_000);

interface Sent {
  readonly back: WayBack;
  readonly reply: Reply;
  readonly onDone: (arrived: boolean) => void;
}

/** An exit by itself: what it looks up and stores, and what it sends back, is in the hands of the test. */
class Bench {
  readonly clock = new VirtualClock();
  readonly counters = new Counters();
  readonly cipher: OnionCipher = standInOnionCipher(random.bytes(32), random);
  readonly keys = this.cipher.begin(random.bytes(32))?.keys as LayerKeys;
  readonly sent: Sent[] = [];
  readonly gets: { give: (content: Buffer) => void; end: () => void }[] = [];
  readonly puts: StoreItem[] = [];
  readonly network = new Network({ clock: this.clock, counters: this.counters } as unknown as NetworkParts);
  readonly legs = {
    backward: (back: WayBack, reply: Reply, onDone: Sent['onDone']) =>
      this.sent.push({ back, reply, onDone }),
  } as unknown as Legs;
  readonly backlog = new ReplyBacklog();
  readonly exit = new Exit({
    ...{ backlog: this.backlog, network: this.network, cipher: this.cipher, legs: () => this.legs },
    direct: {
      get: (_key, give) => new Promise((resolve) => this.gets.push({ give, end: () => resolve(0) })),
      put: async (item) => this.puts.push(item),
    },
  });

  put(to: Contact, replication: number, bytes = 100): string {
    const content = Buffer.alloc(bytes);
    const item = { key: random.bytes(32), ttlMs: HOUR_MS, replication, content };
    return this.exit.serve(this.#back(to), this.keys, encodeExitRequest({ kind: 'put', ...item }));
  }

  /** A GET that is begun, its first reply acknowledged: what it finds, and what it then sends, acknowledged one by one. */
  async get(to: Contact, key = random.bytes(32)) {
    const back = this.#back(to);
    assert.is(this.exit.serve(back, this.keys, encodeExitRequest({ kind: 'get', key })), 'taken');
    await this.clock.advance(1);
    const lookup = this.gets.at(-1) as (typeof this.gets)[0];
    const replies = () => this.sent.filter((one) => one.back === back);
    replies()[0]?.onDone(true);
    return { ...lookup, replies };
  }

  /** What the requester reads in a reply. */
  contents({ reply }: Sent): readonly Buffer[] {
    const plaintext = this.cipher.open(this.keys.seal, reply.number, reply.body) as Buffer;
    return decodeExitReply(plaintext)?.contents ?? [];
  }

  #back(to: Contact): WayBack {
    return { to, via: null, token: random.bytes(16) };
  }
}

test('PUTs of others are paid for by the copies they ask for; now and then one of 255 large ones is served', async () => {
  const bench = new Bench();
  const [source, other] = [someContact(), someContact()];
  assert.is(bench.put(source, 255, MAX_CONTENT_BYTES), 'taken');
  assert.is(bench.put(source, 255, MAX_CONTENT_BYTES), 'busy');
  assert.is(bench.put(source, 255), 'taken');
  assert.is(bench.put(source, 255), 'busy');
  assert.is(bench.counters.get('dropOnionLimit'), 2);
  assert.is(bench.put(source, 5), 'taken', 'what was refused was not paid for');
  assert.is(bench.put(other, 255, MAX_CONTENT_BYTES), 'taken');
  assert.is(bench.puts.length, 4);
  await bench.clock.advance(120_000);
  assert.is(bench.put(source, 255, MAX_CONTENT_BYTES), 'taken');
});

test('copies of all sources together are bounded, and nothing is taken from whoever is refused', () => {
  const limit = new CopyLimit();
  assert.is(copiesOf(5, 0), 5);
  assert.is(copiesOf(5, 8_193), 10);
  for (const source of ['a', 'b']) assert.ok(limit.allow(source, 2_400, 0));
  assert.not.ok(limit.allow('c', 1, 0));
  assert.ok(limit.allow('c', 2_400, 60_000));
  assert.not.ok(limit.allow('c', 1, 60_000));
  assert.not.ok(limit.allow('b', 1_201, 60_000));
  assert.ok(limit.allow('b', 1_200, 120_000));
});

test('a PUT of 255 replicas brings them to few nodes at a time, and to those found late as well', async () => {
  const contacts = Array.from({ length: 260 }, (_, index) => someContact(index));
  const running = new Set<Contact>();
  const brought = new Set<Contact>();
  let most = 0;
  const ask = new Map<Contact, (verdict: 'stored') => void>();
  let finish = () => {};
  const network = {
    parts: { self: someContact(), counters: new Counters() },
    now: 0,
    closestWithSelf: (_key: Buffer, of: readonly Contact[], count: number) => of.slice(0, count),
    storeAt: (contact: Contact, _item: StoreItem, onVerdict: (verdict: 'stored') => void) => {
      running.add(contact);
      most = Math.max(most, running.size);
      brought.add(contact);
      ask.set(contact, onVerdict);
    },
    request: (contact: Contact, _request: unknown, on: { onAnswer: (answer: unknown) => void }) => {
      running.delete(contact);
      on.onAnswer({ kind: 'found', moreValues: true, values: [] });
    },
    search: (on: { onSettled: (lookup: unknown) => void; onDone: (lookup: unknown) => void }) => {
      on.onSettled({ answered: () => contacts.slice(10) });
      finish = () => on.onDone({ answered: () => contacts });
    },
  };
  const item = {
    key: random.bytes(32),
    ttlMs: HOUR_MS,
    replication: 255,
    content: Buffer.alloc(MAX_CONTENT_BYTES),
  };
  const stored = putContent(network as unknown as Network, item);
  const answer = () => {
    for (const [contact, onVerdict] of [...ask]) {
      ask.delete(contact);
      onVerdict('stored');
    }
  };
  for (let i = 0; i < 3; i++) answer();
  finish();
  while (ask.size > 0) answer();
  assert.is(await stored, brought.size);
  assert.is(most, 32);
  for (const contact of contacts.slice(0, 255)) assert.ok(brought.has(contact));
});

test('what an exit holds for a source that acknowledges nothing is bounded, also of lookups that are over', async () => {
  const bench = new Bench();
  const source = someContact();
  for (let i = 0; i < 20; i++) {
    const { give, end } = await bench.get(source);
    for (let j = 0; j < 8; j++) give(Buffer.alloc(60_000, j));
    end();
    await bench.clock.advance(1);
  }
  assert.is(bench.exit.running, 0);
  assert.ok(bench.backlog.bytes > 3 << 20 && bench.backlog.bytes <= 4 << 20);
  const others = await bench.get(someContact());
  others.give(Buffer.alloc(60_000));
  assert.is(bench.contents(others.replies().at(-1) as Sent).length, 1);
  for (const { onDone } of [...bench.sent]) onDone(false);
  assert.is(bench.backlog.bytes, 0);
});

test('all that an exit finds goes back in the end, and then it holds nothing', async () => {
  const bench = new Bench();
  const { give, end, replies } = await bench.get(someContact());
  const found = [5, 900, 40_000, 0, 3_000, 700, 60_000].map((bytes) => random.bytes(bytes));
  for (const content of found) give(content);
  end();
  await bench.clock.advance(1);
  for (let i = 1; i < replies().length; i++) replies()[i]?.onDone(true);
  assert.equal(
    replies().flatMap((sent) => bench.contents(sent)),
    found,
  );
  assert.is(bench.backlog.bytes, 0);
});

test('what the key has signed overtakes junk and has room of its own', async () => {
  const bench = new Bench();
  const { publicKey, secretKey } = generatePseudoIdentity();
  const expirySeconds = Math.floor(bench.clock.now() / 1000) + 3_600;
  const signed = [1n, 2n].map((sequence) =>
    encodeSignedValue({ sequence, expirySeconds, payload: random.bytes(100) }, publicKey, secretKey),
  );
  const { give, replies } = await bench.get(someContact(), publicKey);
  const junk = Buffer.from(signed[0] as Buffer);
  junk[30] = (junk[30] as number) ^ 1;
  for (let i = 0; i < 20; i++) give(Buffer.alloc(60_000, i));
  assert.ok(bench.counters.get('dropReply') > 0, 'more junk than there is room for');
  for (const content of [junk, ...signed]) give(content);
  const underWay = replies().length;
  replies()[1]?.onDone(true);
  assert.equal(bench.contents(replies()[underWay] as Sent).slice(0, 2), signed);
});

test('what the key has signed takes the room of junk that waits for the same source', async () => {
  const bench = new Bench();
  const source = someContact();
  const { publicKey, secretKey } = generatePseudoIdentity();
  const expirySeconds = Math.floor(bench.clock.now() / 1000) + 3_600;
  const value = encodeSignedValue(
    { sequence: 1n, expirySeconds, payload: random.bytes(100) },
    publicKey,
    secretKey,
  );
  const { give, replies } = await bench.get(source, publicKey);
  for (let i = 0; i < 8; i++) give(Buffer.alloc(60_000, i));
  while (bench.backlog.hold(source.id, 50)) {}
  give(value);
  const underWay = replies().length;
  replies()[1]?.onDone(true);
  assert.equal(bench.contents(replies()[underWay] as Sent)[0], value);
});

/** A passage that sends nowhere: what it sends, and how to acknowledge it. */
function passage(backlog: ReplyBacklog, source = 'front') {
  const sent: { number: number; onDone: (arrived: boolean) => void }[] = [];
  const stops: string[] = [];
  const replies = new PassedReplies({
    ...{ backlog, source },
    send: ({ number }, onDone) => sent.push({ number, onDone }),
    onStop: () => stops.push('stopped'),
  });
  const push = (number: number, bytes = 1_346) => replies.push({ number, body: Buffer.alloc(bytes) });
  return { sent, stops, push };
}

test('a relay has at most eight replies of a passage under way, the others follow in order as these arrive', () => {
  const backlog = new ReplyBacklog();
  const { sent, stops, push } = passage(backlog);
  for (let number = 0; number < 400; number++) assert.ok(push(number));
  assert.is(sent.length, 8);
  for (let i = 0; i < sent.length; i++) {
    assert.ok(sent.length <= i + 8);
    sent[i]?.onDone(true);
  }
  assert.equal(
    sent.map(({ number }) => number),
    Array.from({ length: 400 }, (_, number) => number),
  );
  assert.is(backlog.bytes, 0);
  assert.equal(stops, []);
});

test('after three replies in a row that do not arrive a passage is over, and nothing is held any more', () => {
  const backlog = new ReplyBacklog();
  const { sent, stops, push } = passage(backlog);
  for (let number = 0; number < 30; number++) push(number);
  for (const arrived of [false, false, true, false, false]) sent.shift()?.onDone(arrived);
  assert.equal(stops, []);
  assert.is(sent.length, 8);
  for (const { onDone } of [...sent]) onDone(false);
  assert.is(sent.length, 8);
  assert.equal(stops, ['stopped']);
  assert.not.ok(push(20));
  assert.is(backlog.bytes, 0);
});

test('a source that acknowledges nothing has few replies held, others have room for theirs', () => {
  const backlog = new ReplyBacklog();
  const all = Array.from({ length: 400 }, () => passage(backlog));
  let taken = 0;
  for (const { push } of all) for (let number = 0; number < 8; number++) taken += push(number) ? 1 : 0;
  assert.ok(taken > 900 && taken < 1_100, `${taken} replies`);
  assert.ok(passage(backlog, 'other').push(0, 66_000));
  for (let i = 0; i < 400; i++) passage(backlog, `flooding ${i}`).push(0, 4_000_000);
  assert.ok(backlog.bytes <= 32 << 20);
});

test('what relays and exits do for others is marked as such, and what a requester does for itself is not', async () => {
  const { network } = await readyNetwork('for others', 12);
  const requester = (network.nodes[9] as VirtualNode).node;
  const asked: string[] = [];
  for (const { node } of network.nodes) {
    const { rpc, bulk } = node.network.parts;
    const whose = node === requester ? 'requester' : 'other';
    const note = (kind: string, forOthers = false) => asked.push(`${whose} ${kind} ${forOthers}`);
    const [byRpc, byBulk] = [rpc.request.bind(rpc), bulk.request.bind(bulk)];
    rpc.request = (...args) => {
      if (args[1].kind !== 'ping') note(args[1].kind, args[5]);
      byRpc(...args);
    };
    bulk.request = (...args) => {
      note(`${args[1].kind} by stream`, args[3]);
      byBulk(...args);
    };
  }
  for (const bytes of [100, 3_000]) {
    const item = { key: random.bytes(32), content: random.bytes(bytes), replication: 5, ttlMs: HOUR_MS };
    assert.is(await network.clock.until(requester.lookups.put(item)), 5);
    assert.is(await network.clock.until(requester.lookups.get(item.key, () => {})), 1);
  }
  const kinds = ['find', 'store', 'relay', 'relayed'].map((kind) => `other ${kind} true`);
  const streams = ['fetch', 'store', 'relay', 'relayed'].map((kind) => `other ${kind} by stream true`);
  const own = ['requester relay false', 'requester relay by stream false'];
  assert.equal([...new Set(asked)].sort(), [...kinds, ...streams, ...own].sort());
  network.close();
});

test('requests for others never take all the room for requests', async () => {
  const network = new VirtualNetwork('room for requests');
  await network.grow(3);
  const { node } = network.nodes[1] as VirtualNode;
  const { rpc } = node.network.parts;
  const failures: string[] = [];
  const callbacks = { onAnswer: () => {}, onFailure: (reason: string) => failures.push(reason) };
  const ping = { kind: 'ping' } as const;
  const before = rpc.pendingCount;
  for (let i = 0; i < 4_096; i++) rpc.request(someContact(i), ping, callbacks, 1, null, true);
  assert.is(rpc.pendingCount - before, MAX_PENDING_FOR_OTHERS);
  let answers = 0;
  const own = { onAnswer: () => void answers++, onFailure: callbacks.onFailure };
  node.network.request((network.nodes[2] as VirtualNode).node.network.parts.self, ping, own);
  await network.clock.advance(10_000);
  assert.is(answers, 1);
  assert.is(failures.filter((reason) => reason === 'too-many').length, 4_096 - MAX_PENDING_FOR_OTHERS);
  rpc.request(someContact(), ping, callbacks, 1, null, true);
  assert.is(rpc.pendingCount, 1, 'room is there again');
  network.close();
});

test.run();
