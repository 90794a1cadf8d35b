import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DATAGRAM_BYTES, HELLO_BYTES } from '../../../src/dht/datagram.js';
import { compareDistance } from '../../../src/dht/distance.js';
import type { DhtNode } from '../../../src/dht/node.js';
import { contentHash } from '../../../src/dht/store.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { createPseudoKey } from './pseudo-key.js';

const test = suite('dht node in virtual time');
const random = new SeededRandom('node.test');
const HOUR_MS = 3_600_000;

async function getAll(network: VirtualNetwork, node: DhtNode, key: Buffer): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  await network.clock.until(node.get(key, (content) => contents.push(content)));
  return contents;
}

function put(
  network: VirtualNetwork,
  node: DhtNode,
  key: Buffer,
  content: Buffer,
  replication = 5,
  ttlMs = HOUR_MS,
) {
  return network.clock.until(node.put({ key, content, replication, ttlMs }));
}

/** Indices of the nodes that hold something under the key. */
function holders(network: VirtualNetwork, key: Buffer): number[] {
  const now = network.clock.now();
  return network.nodes.flatMap(({ node }, index) =>
    node.network.parts.store.get(key, now).length > 0 ? [index] : [],
  );
}

/** Indices of the `count` nodes closest to the key among `among`. */
function closestNodes(
  network: VirtualNetwork,
  key: Buffer,
  count: number,
  among = network.nodes.keys(),
): number[] {
  const position = (index: number) => network.nodes[index]?.node.network.parts.self.position as Buffer;
  const order = [...among].sort((a, b) => compareDistance(key, position(a), position(b)));
  return order.slice(0, count).sort((a, b) => a - b);
}

const at = (network: VirtualNetwork, index: number) => network.nodes[index]?.node as DhtNode;

test('a node alone stores for itself, finds it again, and has nobody to trace', async () => {
  const network = new VirtualNetwork('alone');
  const { node } = network.add();
  const key = random.bytes(32);
  assert.is(await put(network, node, key, Buffer.from('x')), 1);
  assert.equal(await getAll(network, node, key), [Buffer.from('x')]);
  assert.equal(await getAll(network, node, random.bytes(32)), []);
  assert.is(await network.clock.until(node.trace(key)), null);
  network.close();
});

test('twenty nodes: all find what one puts, at the nodes closest to the key', async () => {
  const network = new VirtualNetwork('twenty');
  await network.grow(24);
  for (const size of [0, 1, 512, 1_300, 1_400, 20_000, 65_491]) {
    const key = random.bytes(32);
    const content = random.bytes(size);
    assert.is(await put(network, at(network, size % 24), key, content), 5);
    assert.equal(holders(network, key), closestNodes(network, key, 5), `replicas of ${size} bytes`);
    for (const index of [0, 7, 23]) {
      const found = await getAll(network, at(network, index), key);
      assert.is(found.length, 1, `${size} bytes from node ${index}`);
      assert.ok(found[0]?.equals(content));
    }
  }
  network.close();
});

test('several contents under one key all arrive, each once, also when they need a stream', async () => {
  const network = new VirtualNetwork('several');
  await network.grow(10);
  const key = random.bytes(32);
  const contents = [0, 1, 700, 700, 3_000, 30_000].map((size) => random.bytes(size));
  for (const content of contents) await put(network, at(network, 1), key, content, 4);
  const found = await getAll(network, at(network, 8), key);
  const names = (all: Buffer[]) => all.map((one) => one.toString('hex')).sort();
  assert.equal(names(found), names(contents));
  network.close();
});

test('a content is gone at the moment its TTL ends and not before', async () => {
  const network = new VirtualNetwork('ttl');
  await network.grow(8);
  const key = random.bytes(32);
  const startMs = network.clock.now();
  await put(network, at(network, 1), key, Buffer.from('short'), 3, 30_000);
  await network.clock.advance(startMs + 29_000 - network.clock.now());
  assert.is((await getAll(network, at(network, 5), key)).length, 1);
  await network.clock.advance(startMs + 30_100 - network.clock.now());
  assert.equal(holders(network, key), []);
  assert.equal(await getAll(network, at(network, 5), key), []);
  network.close();
});

test('half of the nodes silent: everything is found, and no answer waits for a timeout', async () => {
  const network = new VirtualNetwork('half silent');
  await network.grow(24);
  const keys = Array.from({ length: 12 }, () => random.bytes(32));
  for (const key of keys) await put(network, at(network, 2), key, key, 20);
  for (const [index, entry] of network.nodes.entries()) entry.silent = index % 2 === 1;
  for (const key of keys) {
    const startMs = network.clock.now();
    let firstMs = Number.POSITIVE_INFINITY;
    const node = at(network, 4);
    const done = node.get(key, () => {
      firstMs = Math.min(firstMs, network.clock.now() - startMs);
    });
    assert.is(await network.clock.until(done), 1);
    // Virtual time: own store or a hedge, never the timeout of a silent node.
    assert.ok(firstMs < 150, `first content after ${firstMs} virtual ms`);
  }
  const missing = network.clock.now();
  assert.equal(await getAll(network, at(network, 4), random.bytes(32)), []);
  assert.ok(network.clock.now() - missing < 5_000, 'a search for nothing ends');
  network.close();
});

test('newcomers closer to a key receive its contents; the content survives all first holders', async () => {
  const network = new VirtualNetwork('churn');
  await network.grow(6);
  const key = random.bytes(32);
  const content = random.bytes(5_000);
  await put(network, at(network, 0), key, content, 3, 10 * HOUR_MS);
  const first = holders(network, key);
  await network.grow(12);
  const wanted = closestNodes(network, key, 3);
  const now = holders(network, key);
  for (const index of wanted) assert.ok(now.includes(index), `node ${index} is closest and holds it`);
  for (const index of first) if (index !== 0) (network.nodes[index] as { silent: boolean }).silent = true;
  await network.clock.advance(25 * 60_000);
  const living = [...network.nodes.keys()].filter((index) => !network.nodes[index]?.silent);
  const after = holders(network, key);
  for (const index of closestNodes(network, key, 3, living.values())) {
    assert.ok(after.includes(index), `living node ${index} is closest and holds it`);
  }
  assert.equal(await getAll(network, at(network, living.at(-1) as number), key), [content]);
  network.close();
});

test('who is lost is replaced by the next closest, mostly without a search', async () => {
  const network = new VirtualNetwork('lost');
  await network.grow(16);
  const keys = Array.from({ length: 40 }, () => random.bytes(32));
  for (const key of keys) await put(network, at(network, 0), key, key, 4);
  await network.clock.advance(60_000);
  const gone = at(network, 5).network.parts.self;
  const held = keys.filter((key) => holders(network, key).includes(5));
  const living = [...network.nodes.keys()].filter((index) => index !== 5);
  (network.nodes[5] as { silent: boolean }).silent = true;
  let searches = 0;
  for (const index of living) {
    const { network: parts, replicator } = at(network, index);
    while (parts.parts.table.get(gone)) parts.parts.table.failed(gone);
    const search = parts.search.bind(parts);
    parts.search = (options) => {
      if (held.some((key) => key.equals(options.target))) searches += 1;
      return search(options);
    };
    replicator.contactLost(gone);
    replicator.runRound();
    await network.clock.advance(1_000);
  }
  assert.ok(held.length >= 5, `${held.length} keys were on the lost node`);
  for (const key of held) {
    const now = holders(network, key);
    for (const index of closestNodes(network, key, 4, living.values())) assert.ok(now.includes(index));
  }
  assert.ok(searches < held.length, `${searches} searches for ${held.length} keys`);
  network.close();
});

test('newcomers that come one upon the other all receive what they are closest to', async () => {
  for (let round = 0; round < 8; round++) {
    const network = new VirtualNetwork(`crowd ${round}`);
    await network.grow(6);
    const key = random.bytes(32);
    await put(network, at(network, 0), key, Buffer.from('crowd'), 3, 10 * HOUR_MS);
    await network.grow(12);
    const now = holders(network, key);
    for (const index of closestNodes(network, key, 3)) {
      assert.ok(now.includes(index), `round ${round}: node ${index} is closest and holds it`);
    }
    network.close();
  }
});

test('TRACE answers with the closest other node first and the KX addresses of each hop', async () => {
  const network = new VirtualNetwork('trace');
  await network.grow(24);
  const targets = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const key = random.bytes(32);
    const hops = await network.clock.until(at(network, 3).trace(key));
    const others = [...network.nodes.keys()].filter((index) => index !== 3);
    const [closest] = closestNodes(network, key, 1, others.values());
    const target = at(network, closest as number).network.parts.self;
    assert.ok(hops && hops.length >= 1);
    assert.ok(hops[0]?.identity.equals(target.identity));
    assert.is(hops[0]?.kx.port, 4000 + (closest as number));
    assert.not.ok(hops.some((hop) => hop.identity.equals(at(network, 3).network.parts.self.identity)));
    targets.add(target.id);
  }
  assert.ok(targets.size > 5, 'random keys lead to many different peers');
  network.close();
});

test('a request made before the network answers waits for the join', async () => {
  const network = new VirtualNetwork('early');
  await network.grow(5);
  const { node } = network.add();
  assert.is(node.state, 'joining');
  await network.clock.until(node.ready(5_000));
  assert.is(node.state, 'joined');
  const key = random.bytes(32);
  assert.is(await put(network, node, key, Buffer.from('early'), 5), 5);
  assert.equal(await getAll(network, at(network, 1), key), [Buffer.from('early')]);
  network.close();
});

test('a node whose bootstrap host comes up later joins without being told', async () => {
  const network = new VirtualNetwork('late host');
  const first = network.add();
  first.silent = true;
  const second = network.add();
  await network.clock.advance(60_000);
  assert.is(second.node.state, 'joining');
  first.silent = false;
  await network.clock.advance(30_000);
  assert.is(second.node.state, 'joined');
  assert.is(first.node.network.parts.table.size, 1, 'and the host has dialled it back');
  network.close();
});

test('lost datagrams are sent again', async () => {
  const network = new VirtualNetwork('loss');
  await network.grow(12);
  const dice = new SeededRandom('loss');
  network.filter = () => dice.fraction() > 0.2;
  for (let i = 0; i < 10; i++) {
    const key = random.bytes(32);
    assert.ok((await put(network, at(network, i), key, key, 5)) >= 4);
    assert.equal(await getAll(network, at(network, 11 - i), key), [key]);
  }
  network.close();
});

test('a stranger never gets more bytes than it sent, and no datagram is longer than the limit', async () => {
  const network = new VirtualNetwork('sizes');
  const balance = new Map<string, number>();
  network.filter = (from, to, bytes) => {
    assert.ok(bytes.length <= DATAGRAM_BYTES);
    const type = bytes[0];
    const pair = (a: string, b: string) => `${a}>${b}`;
    if (type === 0x11 || type === 0x14) {
      balance.set(pair(from.host, to.host), (balance.get(pair(from.host, to.host)) ?? 0) + bytes.length);
    } else if (type === 0x12 || type === 0x15) {
      const left = (balance.get(pair(to.host, from.host)) ?? 0) - bytes.length;
      assert.ok(left >= 0, 'an answer to a stranger is covered by what it sent');
      balance.set(pair(to.host, from.host), left);
    }
    return true;
  };
  await network.grow(20);
  assert.ok(HELLO_BYTES < DATAGRAM_BYTES);
  network.close();
});

test('captured datagrams that are sent again change nothing and are counted', async () => {
  const network = new VirtualNetwork('replay');
  await network.grow(4);
  const captured: { from: (typeof network.nodes)[0]['endpoint']; bytes: Buffer }[] = [];
  const victim = network.nodes[0] as (typeof network.nodes)[0];
  network.filter = (from, to, bytes) => {
    if (to.host === victim.endpoint.host && bytes[0] === 0x13)
      captured.push({ from, bytes: Buffer.from(bytes) });
    return true;
  };
  const key = random.bytes(32);
  await put(network, at(network, 2), key, Buffer.from('once'), 4, 10_000);
  network.filter = () => true;
  await network.clock.advance(11_000);
  const before = victim.node.counters.get('dropReplayed');
  for (const { from, bytes } of captured) victim.node.handleDatagram(from, bytes);
  assert.ok(captured.length > 0);
  assert.is(victim.node.counters.get('dropReplayed') - before, captured.length);
  assert.equal(holders(network, key), []);
  network.close();
});

for (const lies of ['identity', 'position'] as const) {
  test(`a node whose certificate or proof does not fit its ${lies} gets no answer and enters no table`, async () => {
    const network = new VirtualNetwork(`liar ${lies}`);
    await network.grow(4);
    const liar = network.add(lies);
    await network.clock.advance(120_000);
    assert.is(liar.node.network.parts.rpc.sessions.size.confirmed, 0);
    const { id } = liar.node.network.parts.self;
    for (const { node } of network.nodes.slice(0, 4)) {
      assert.not.ok(node.network.parts.table.contacts().some((contact) => contact.id === id));
    }
    const counter = lies === 'identity' ? 'dropCertificate' : 'dropPosition';
    assert.ok(at(network, 0).counters.get(counter) > 0);
    network.close();
  });
}

test('a bootstrap host that claims an identity which its certificate does not have is refused', async () => {
  const network = new VirtualNetwork('lying host');
  network.add('identity');
  const { node } = network.add();
  await network.clock.advance(60_000);
  assert.is(node.state, 'joining');
  assert.is(node.network.parts.table.size, 0);
  network.close();
});

test('streams that send nothing, or junk, end by themselves and are bounded for each source', async () => {
  const network = new VirtualNetwork('streams');
  await network.grow(2);
  const victim = network.nodes[0] as (typeof network.nodes)[0];
  const streams = Array.from({ length: 100 }, (_, index) => {
    const stream = network.openStream({ family: 4, host: '10.9.9.9', port: 1_000 + index }, victim.endpoint);
    if (index % 2 === 0) stream.write(random.bytes(300));
    return stream;
  });
  await network.clock.advance(1_000);
  const { bulk } = victim.node.network.parts;
  assert.ok(streams.length > 64 && bulk.streams.served <= 64);
  assert.ok(victim.node.counters.get('dropStreamLimit') > 0);
  await network.clock.advance(10_000);
  assert.is(bulk.streams.served, 0);
  const key = random.bytes(32);
  const content = random.bytes(10_000);
  await put(network, at(network, 1), key, content, 2);
  assert.equal(await getAll(network, at(network, 1), key), [content]);
  network.close();
});

test('colluders who agree on junk do not hide what a pseudo-identity has published', async () => {
  const network = new VirtualNetwork('agreed junk');
  await network.grow(30);
  const { publicKey: key, secretKey } = createPseudoKey('hidden');
  const expirySeconds = Math.floor(network.clock.now() / 1_000) + 3_600;
  const record = encodeSignedValue(
    { sequence: 1n, expirySeconds, payload: Buffer.from('at') },
    key,
    secretKey,
  );
  assert.is(await put(network, at(network, 2), key, record, 10), 10);
  const closest = closestNodes(network, key, 9);
  const content = Buffer.from('junk');
  const fake = { key, content, hash: contentHash(content), replication: 1, expiresAtMs: 0 };
  for (const index of closest) {
    const { store } = at(network, index).network.parts;
    store.get = () => [fake] as unknown as ReturnType<typeof store.get>;
    store.digest = () => Buffer.alloc(16, 7);
  }
  for (const index of [...network.nodes.keys()].filter((one) => !closest.includes(one))) {
    const found = await getAll(network, at(network, index), key);
    assert.ok(
      found.some((one) => one.equals(record)),
      `seen from node ${index}`,
    );
  }
  network.close();
});

test('a holder that sends contents without end is cut off, and a stream that drips is ended', async () => {
  const network = new VirtualNetwork('endless');
  await network.grow(3);
  const key = random.bytes(32);
  const liar = at(network, 1).network.parts.store;
  const fake = Array.from({ length: 100 }, () => {
    const content = random.bytes(5_000);
    return { content, hash: contentHash(content) };
  });
  liar.get = () => fake as unknown as ReturnType<typeof liar.get>;
  liar.digest = () => Buffer.alloc(16, 7);
  const found = await getAll(network, at(network, 2), key);
  assert.ok(found.length > 0 && found.length <= 40, `${found.length} contents of 5000 bytes`);
  const victim = network.nodes[0] as (typeof network.nodes)[0];
  const drip = network.openStream({ family: 4, host: '10.9.9.9', port: 1 }, victim.endpoint);
  for (let i = 0; i < 30; i++) {
    drip.write(Buffer.alloc(1));
    await network.clock.advance(3_000);
  }
  assert.is(victim.node.network.parts.bulk.streams.served, 0);
  network.close();
});

test('arbitrary and altered datagrams never throw and disturb nobody', async () => {
  const network = new VirtualNetwork('junk');
  await network.grow(5);
  const noise = new SeededRandom('junk');
  const from = { family: 4, host: '10.9.9.9', port: 9 } as const;
  for (let i = 0; i < 3_000; i++) {
    const bytes = noise.bytes(Math.floor(noise.fraction() * 1_500));
    if (bytes.length > 0) bytes[0] = 0x10 + (i % 8);
    at(network, 0).handleDatagram(from, bytes);
  }
  assert.is(at(network, 0).counters.get('internalErrors'), 0);
  network.filter = (_from, _to, bytes) => {
    if (noise.fraction() < 0.3) bytes[Math.floor(noise.fraction() * bytes.length)] = 7;
    return true;
  };
  const key = random.bytes(32);
  await put(network, at(network, 1), key, key, 5);
  network.filter = () => true;
  for (const { node } of network.nodes) assert.is(node.counters.get('internalErrors'), 0);
  await put(network, at(network, 1), key, key, 5);
  assert.equal(await getAll(network, at(network, 4), key), [key]);
  network.close();
});

test.run();
