import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Network } from '../../../src/dht/network.js';
import { ONION_BYTES } from '../../../src/dht/private/onion.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { at, getAll, HOUR_MS, privateNetwork, put, status } from './private-scenario.js';
import { createPseudoKey } from './pseudo-key.js';
import { makePrivate } from './stand-in-onions.js';

const test = suite('dht private lookups in virtual time');
const random = new SeededRandom('private-lookups.test');

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
  const { network } = await privateNetwork('one exit', 19);
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

test('a node that has only just met the first others waits for more before it takes a shorter path', async () => {
  const network = new VirtualNetwork('early');
  const { warnings } = makePrivate(network);
  network.add();
  const { node } = network.add();
  await network.clock.until(node.ready(60_000));
  const stored = node.lookups.put({
    ...{ key: random.bytes(32), content: Buffer.from('x'), replication: 2, ttlMs: HOUR_MS },
  });
  await network.clock.advance(500);
  assert.is(status(node).onions, 0);
  network.add();
  network.add();
  assert.is(await network.clock.until(stored), 2);
  assert.equal(warnings, []);
  assert.is(status(node).hops, 3);
  network.close();
});

test('a node alone answers from its own store', async () => {
  const { network, warnings } = await privateNetwork('alone', 1);
  const key = random.bytes(32);
  assert.is(await put(network, at(network, 0), key, Buffer.from('mine')), 1);
  assert.equal(await getAll(network, at(network, 0), key), [Buffer.from('mine')]);
  assert.is(warnings.length, 1);
  network.close();
});

test('what a node puts while it is alone goes out through an onion, never directly', async () => {
  const network = new VirtualNetwork('alone at first');
  makePrivate(network);
  await network.grow(1);
  const first = at(network, 0);
  const key = random.bytes(32);
  assert.is(await put(network, first, key, Buffer.from('early'), 3), 1);
  await network.grow(8);
  await network.clock.advance(120_000);
  const holders = [...network.nodes.keys()].filter(
    (index) => at(network, index).network.parts.store.get(key, network.clock.now()).length > 0,
  );
  assert.ok(holders.length >= 3, `${holders.length} hold it`);
  await network.clock.advance(1_500_000);
  assert.is(first.replicator.offers, 0);
  assert.equal(await getAll(network, at(network, 7), key), [Buffer.from('early')]);
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

test('a node that announces an address which is not open to others still looks up, through what it opened itself', async () => {
  const { network } = await privateNetwork('nat', 12);
  network.announced = '10.99.0.1';
  const { node } = network.add();
  await network.clock.until(node.ready(60_000));
  await network.clock.advance(70_000);
  const key = random.bytes(32);
  const content = random.bytes(200);
  assert.is(await put(network, node, key, content, 3), 3);
  assert.equal(await getAll(network, node, key), [content]);
  assert.is(status(node).failed, 0);
  const { id } = node.network.parts.self;
  for (const { node: other } of network.nodes.slice(0, 12)) {
    assert.not.ok(other.network.parts.table.contacts().some((contact) => contact.id === id));
  }
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
  const { network } = await privateNetwork('pool', 40);
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
