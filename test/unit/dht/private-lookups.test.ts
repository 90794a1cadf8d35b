import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Network } from '../../../src/dht/network.js';
import type { DhtNode } from '../../../src/dht/node.js';
import { ONION_BYTES } from '../../../src/dht/private/onion.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { createPseudoKey } from './pseudo-key.js';
import { makePrivate } from './stand-in-onions.js';

const test = suite('dht private lookups in virtual time');
const random = new SeededRandom('private-lookups.test');
const HOUR_MS = 3_600_000;

const at = (network: VirtualNetwork, index: number) => network.nodes[index]?.node as DhtNode;

async function getAll(network: VirtualNetwork, node: DhtNode, key: Buffer): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  await network.clock.until(node.lookups.get(key, (content) => contents.push(content)));
  return contents;
}

function put(network: VirtualNetwork, node: DhtNode, key: Buffer, content: Buffer, replication = 5) {
  return network.clock.until(node.lookups.put({ key, content, replication, ttlMs: HOUR_MS }));
}

async function privateNetwork(
  seed: string,
  count: number,
): Promise<{ network: VirtualNetwork; warnings: string[] }> {
  const network = new VirtualNetwork(seed);
  const { warnings } = makePrivate(network);
  await network.grow(count);
  // Until first hops are pinned.
  await network.clock.advance(70_000);
  return { network, warnings };
}

interface Status {
  readonly hops: number;
  readonly warning?: string;
  readonly pinned: number;
  readonly suspects: number;
  readonly onions: number;
  readonly failed: number;
  readonly gets: number;
}
const status = (node: DhtNode) => node.status().privateLookups as Status;

/** The node that is the first hop of all of `node`'s onions. */
function firstHop(network: VirtualNetwork, node: DhtNode): number {
  const first = node.privateLookups?.paths?.firstHop();
  return network.nodes.findIndex((entry) => entry.node.network.parts.self.id === first?.id);
}

test('contents of every size are put and got through onions of three hops', async () => {
  const { network, warnings } = await privateNetwork('sizes', 24);
  for (const size of [0, 1, 512, 900, 1_300, 5_000, 20_000, 65_491]) {
    const key = random.bytes(32);
    const content = random.bytes(size);
    assert.is(await put(network, at(network, size % 24), key, content), 5, `${size} bytes`);
    for (const index of [3, 7]) {
      const found = await getAll(network, at(network, index), key);
      assert.is(found.length, 1, `${size} bytes`);
      assert.ok(found[0]?.equals(content));
    }
  }
  assert.is(status(at(network, 7)).hops, 3);
  assert.is(status(at(network, 7)).pinned, 2);
  assert.is(status(at(network, 7)).failed, 0);
  assert.equal(warnings, []);
  for (const { node } of network.nodes) assert.is(node.counters.get('internalErrors'), 0);
  network.close();
});

test('several contents of one key all arrive, each once; a key without any gives none, within the bound', async () => {
  const { network } = await privateNetwork('several', 16);
  const key = random.bytes(32);
  const contents = [0, 1, 700, 700, 3_000, 30_000].map((size) => random.bytes(size));
  for (const content of contents) await put(network, at(network, 1), key, content, 4);
  const names = (all: Buffer[]) => all.map((one) => one.toString('hex')).sort();
  assert.equal(names(await getAll(network, at(network, 8), key)), names(contents));
  const many = random.bytes(32);
  for (let i = 0; i < 300; i++) {
    const item = { key: many, content: random.bytes(100), replication: 5, ttlMs: HOUR_MS };
    for (const { node } of network.nodes) node.network.parts.store.put(item, 'x', network.clock.now());
  }
  assert.is((await getAll(network, at(network, 8), many)).length, 300);
  const started = network.clock.now();
  assert.equal(await getAll(network, at(network, 8), random.bytes(32)), []);
  assert.ok(network.clock.now() - started < 12_000);
  network.close();
});

test('a signed value ends the search with one exit, in nine of ten; anything else is asked of two', async () => {
  const { network } = await privateNetwork('one exit', 24);
  const owner = createPseudoKey('owner');
  const record = (sequence: bigint) =>
    encodeSignedValue(
      {
        sequence,
        expirySeconds: Math.floor(network.clock.now() / 1_000) + 3_600,
        payload: Buffer.from('at'),
      },
      owner.publicKey,
      owner.secretKey,
    );
  assert.is(await put(network, at(network, 2), owner.publicKey, record(1n)), 5);
  const node = at(network, 9);
  let before = status(node).onions;
  const gets = 60;
  for (let i = 0; i < gets; i++) {
    assert.is((await getAll(network, node, owner.publicKey)).length, 1);
    await network.clock.advance(1_000);
  }
  const perGet = (status(node).onions - before) / gets;
  assert.ok(perGet >= 1 && perGet < 1.25, `${perGet} onions a GET`);
  before = status(node).onions;
  assert.equal(await getAll(network, node, random.bytes(32)), []);
  assert.is(status(node).onions - before, 2);
  network.close();
});

test('the first content is given before the lookup has ended', async () => {
  const { network } = await privateNetwork('first content', 24);
  const key = random.bytes(32);
  // Two holders: with three that agree a lookup would end early.
  await put(network, at(network, 1), key, Buffer.from('soon'), 2);
  // Nodes that hold nothing and never answer, so that the ends of the exits' lookups are late.
  const now = network.clock.now();
  const empty = network.nodes.filter(({ node }) => node.network.parts.store.get(key, now).length === 0);
  for (const entry of empty.slice(-3)) entry.silent = true;
  const { node } = empty[0] as (typeof empty)[0];
  let firstMs = 0;
  await network.clock.until(
    node.lookups.get(key, () => {
      firstMs ||= network.clock.now() - now;
    }),
  );
  assert.ok(network.clock.now() - now > 500, 'the lookups took long');
  assert.ok(firstMs > 0 && firstMs < 200, `first content after ${firstMs} virtual ms`);
  network.close();
});

for (const [others, hops] of [
  [1, 1],
  [2, 2],
  [3, 3],
] as const) {
  test(`with ${others} other nodes an onion has ${hops} hops${hops < 3 ? ', and one warning says so' : ''}`, async () => {
    const { network, warnings } = await privateNetwork(`few ${others}`, others + 1);
    const key = random.bytes(32);
    const content = random.bytes(3_000);
    const node = at(network, others);
    assert.is(await put(network, node, key, content, 2), 2);
    assert.equal(await getAll(network, node, key), [content]);
    assert.equal(await getAll(network, node, random.bytes(32)), []);
    assert.is(status(node).hops, hops);
    assert.is(warnings.length, hops < 3 ? 1 : 0);
    assert.is(status(node).warning !== undefined, hops < 3);
    assert.ok(status(node).onions >= 3);
    network.close();
  });
}

test('a node alone answers from its own store', async () => {
  const { network, warnings } = await privateNetwork('alone', 1);
  const key = random.bytes(32);
  assert.is(await put(network, at(network, 0), key, Buffer.from('mine')), 1);
  assert.equal(await getAll(network, at(network, 0), key), [Buffer.from('mine')]);
  assert.is(warnings.length, 1);
  network.close();
});

test('a first hop that fails is replaced for this request, and for good only when it goes on failing', async () => {
  const { network } = await privateNetwork('first fails', 16);
  const key = random.bytes(32);
  await put(network, at(network, 1), key, Buffer.from('here'), 20);
  const node = at(network, 5);
  const pinned = firstHop(network, node);
  (network.nodes[pinned] as { silent: boolean }).silent = true;
  assert.equal(await getAll(network, node, key), [Buffer.from('here')]);
  assert.is(firstHop(network, node), pinned, 'one failure is bad luck');
  for (let i = 0; i < 3; i++) await getAll(network, node, key);
  assert.is.not(firstHop(network, node), pinned);
  assert.ok(status(node).failed >= 3);
  network.close();
});

test('half of the nodes silent: every GET finds its content, failed hops are passed over', async () => {
  const { network } = await privateNetwork('half', 32);
  const keys = Array.from({ length: 8 }, () => random.bytes(32));
  for (const key of keys) await put(network, at(network, 2), key, key, 20);
  const node = at(network, 4);
  const first = firstHop(network, node);
  for (const [index, entry] of network.nodes.entries()) {
    entry.silent = index % 4 === 1 && index !== first;
  }
  for (const key of keys) {
    const startedMs = network.clock.now();
    assert.equal(await getAll(network, node, key), [key]);
    assert.ok(network.clock.now() - startedMs <= 12_000);
  }
  assert.ok(status(node).suspects > 0);
  network.close();
});

/** Makes a node lie as an exit. */
function lieAsExit(node: DhtNode, lie: Partial<Pick<DhtNode, 'get' | 'put'>>): void {
  Object.assign(node, lie);
}

test('exits that say there is nothing are out-voted by one that knows better, and avoided then', async () => {
  const { network } = await privateNetwork('nothing', 24);
  const key = random.bytes(32);
  await put(network, at(network, 1), key, Buffer.from('here'), 5);
  const node = at(network, 4);
  const first = firstHop(network, node);
  // A third of the exits.
  for (const [index, entry] of network.nodes.entries()) {
    if (index % 3 === 1 && index !== first && index !== 4) lieAsExit(entry.node, { get: async () => 0 });
  }
  let found = 0;
  for (let i = 0; i < 40; i++) found += (await getAll(network, node, key)).length;
  // Both exits lie in a ninth of the cases at first, and ever less as liars are found.
  assert.ok(found >= 36, `${found} of 40`);
  assert.ok(status(node).suspects >= 1);
  network.close();
});

test('an older signed value does not win: both are given, and the exit is suspected', async () => {
  const { network } = await privateNetwork('stale', 8);
  const owner = createPseudoKey('stale');
  const expirySeconds = Math.floor(network.clock.now() / 1_000) + 3_600;
  const value = (sequence: bigint) =>
    encodeSignedValue(
      { sequence, expirySeconds, payload: Buffer.from(`${sequence}`) },
      owner.publicKey,
      owner.secretKey,
    );
  const [older, newer] = [value(1n), value(2n)];
  await put(network, at(network, 1), owner.publicKey, newer, 8);
  const node = at(network, 4);
  const liars = [1, 2, 3, 5];
  for (const index of liars) {
    lieAsExit(at(network, index), {
      get: async (_key, onContent) => {
        onContent(older);
        return 1;
      },
    });
  }
  for (let i = 0; i < 60; i++) {
    const contents = await getAll(network, node, owner.publicKey);
    assert.ok(
      contents.some((one) => one.equals(newer)),
      'our own store or an honest exit knows it',
    );
  }
  assert.ok(status(node).suspects >= 1);
  network.close();
});

test('a PUT whose exit stores nothing, though it says so, is found out now and then; one that admits it is replaced', async () => {
  const { network } = await privateNetwork('lying put', 24);
  const node = at(network, 4);
  const first = firstHop(network, node);
  for (const [index, entry] of network.nodes.entries()) {
    if (index % 3 === 1 && index !== first && index !== 4) lieAsExit(entry.node, { put: async () => 0 });
  }
  for (let i = 0; i < 10; i++) {
    const key = random.bytes(32);
    assert.is(await put(network, node, key, key), 5);
  }
  for (const [index, entry] of network.nodes.entries()) {
    if (index % 3 === 1 && index !== first && index !== 4) lieAsExit(entry.node, { put: async () => 5 });
  }
  assert.ok(status(node).suspects > 0, 'another exit could');
  await network.clock.advance(700_000);
  assert.is(status(node).suspects, 0);
  for (let i = 0; i < 400 && status(node).suspects === 0; i++) {
    await put(network, node, random.bytes(32), Buffer.from('x'));
  }
  assert.ok(status(node).suspects > 0);
  network.close();
});

test('an exit that begins and never ends holds a GET up for three seconds, and is passed over then', async () => {
  const { network } = await privateNetwork('endless', 12);
  const key = random.bytes(32);
  await put(network, at(network, 1), key, Buffer.from('here'), 3);
  const now = network.clock.now();
  const holds = ({ node }: { node: DhtNode }) => node.network.parts.store.get(key, now).length > 0;
  const { node } = network.nodes.find((entry) => !holds(entry)) as { node: DhtNode };
  const first = firstHop(network, node);
  for (const [index, entry] of network.nodes.entries()) {
    if (index % 4 === 1 && index !== first && entry.node !== node) {
      lieAsExit(entry.node, { get: () => new Promise(() => {}) });
    }
  }
  for (let i = 0; i < 20; i++) {
    const startedMs = network.clock.now();
    assert.equal(await getAll(network, node, key), [Buffer.from('here')]);
    assert.ok(network.clock.now() - startedMs < 7_000);
  }
  assert.ok(status(node).suspects > 0);
  network.close();
});

test('replies lost and repeated: each content is given once', async () => {
  const { network } = await privateNetwork('loss', 20);
  const dice = new SeededRandom('loss of onions');
  const keys = Array.from({ length: 10 }, () => random.bytes(32));
  for (const key of keys) await put(network, at(network, 1), key, key, 10);
  network.filter = () => dice.fraction() > 0.05;
  let found = 0;
  for (const key of keys) {
    const contents = await getAll(network, at(network, 9), key);
    assert.ok(contents.length <= 1);
    found += contents.length;
  }
  assert.ok(found >= 9, `${found} of 10`);
  network.close();
});

test('many requests at once are all served', async () => {
  const { network } = await privateNetwork('many', 20);
  const keys = Array.from({ length: 50 }, () => random.bytes(32));
  const node = at(network, 9);
  const stored = await network.clock.until(
    Promise.all(keys.map((key) => node.lookups.put({ key, content: key, replication: 4, ttlMs: HOUR_MS }))),
  );
  assert.ok(stored.every((count) => count === 4));
  const found = await network.clock.until(Promise.all(keys.map((key) => node.lookups.get(key, () => {}))));
  assert.ok(found.every((count) => count === 1));
  network.close();
});

test('a node that closes ends its requests', async () => {
  const { network } = await privateNetwork('close', 6);
  const node = at(network, 3);
  const gets = Promise.all([1, 2, 3].map(() => node.lookups.get(random.bytes(32), () => {})));
  await network.clock.advance(25);
  node.close();
  assert.equal(await gets, [0, 0, 0]);
  assert.is(
    await node.lookups.put({ key: random.bytes(32), content: Buffer.of(1), replication: 1, ttlMs: 1_000 }),
    0,
  );
  network.close();
});

test('nodes that do not look up privately themselves still relay and serve', async () => {
  const network = new VirtualNetwork('mixed');
  makePrivate(network, false);
  await network.grow(10);
  makePrivate(network);
  const { node } = network.add();
  await network.clock.advance(70_000);
  const key = random.bytes(32);
  assert.is(await put(network, node, key, Buffer.from('x'), 3), 3);
  assert.equal(await getAll(network, node, key), [Buffer.from('x')]);
  assert.equal(await getAll(network, at(network, 1), key), [Buffer.from('x')]);
  assert.is(at(network, 1).counters.get('onionsMade'), 0);
  assert.is((at(network, 1).status().privateLookups as { enabled: boolean }).enabled, false);
  network.close();
});

test('a large network fills a pool from the whole id space', async () => {
  const { network } = await privateNetwork('pool', 60);
  const pool = at(network, 30).privateLookups?.paths?.pool;
  assert.ok(pool && pool.size >= 12, `${pool?.size} in the pool`);
  const halves = pool.candidates().map(({ position }) => (position[0] as number) >> 7);
  assert.ok(halves.includes(0) && halves.includes(1));
  const { parts } = at(network, 30).network as Network;
  assert.not.ok(pool.candidates().some(({ id }) => id === parts.self.id));
  assert.is(ONION_BYTES.length, 3);
  network.close();
});

test.run();
