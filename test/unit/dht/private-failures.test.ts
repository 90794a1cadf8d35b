import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DhtNode } from '../../../src/dht/node.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { at, firstHop, getAll, privateNetwork, put, signedValues, status } from './private-scenario.js';

const test = suite('dht private lookups among nodes that fail and lie');
const random = new SeededRandom('private-failures.test');

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

test('a first hop that takes onions and drops them loses no GET, and stays the first hop until it does so most of the time', async () => {
  const { network } = await privateNetwork('first drops', 16);
  const key = random.bytes(32);
  await put(network, at(network, 1), key, Buffer.from('here'), 3);
  const holds = ({ network: { now, parts } }: DhtNode) => parts.store.get(key, now).length > 0;
  const node = [5, 6, 7, 8].map((index) => at(network, index)).find((one) => !holds(one)) as DhtNode;
  const pinned = firstHop(network, node);
  Object.assign(at(network, pinned).privateLookups?.relay ?? {}, { onOnion: () => 'taken' });
  const startedMs = network.clock.now();
  assert.equal(await getAll(network, node, key), [Buffer.from('here')]);
  assert.ok(network.clock.now() - startedMs <= 12_000);
  assert.is(firstHop(network, node), pinned);
  network.close();
});

test('half of the nodes silent: every GET finds its content, failed hops are passed over', async () => {
  const { network } = await privateNetwork('half', 26);
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
  const { network } = await privateNetwork('nothing', 19);
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
  const { key, value } = signedValues(network, 'stale');
  const [older, newer] = [value(1n), value(2n)];
  await put(network, at(network, 1), key, newer, 8);
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
    const contents = await getAll(network, node, key);
    assert.ok(
      contents.some((one) => one.equals(newer)),
      'our own store or an honest exit knows it',
    );
  }
  assert.ok(status(node).suspects >= 1);
  network.close();
});

test('a PUT whose exit stores nothing, though it says so, is found out now and then; one that admits it is replaced', async () => {
  const { network } = await privateNetwork('lying put', 19);
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

test('exits that all take long and find nothing are not suspected', async () => {
  const { network } = await privateNetwork('all slow', 16);
  const { clock } = network;
  const slow = () => new Promise<number>((resolve) => clock.setTimer(6_500, () => resolve(0)));
  for (const { node } of network.nodes) lieAsExit(node, { get: slow });
  const node = at(network, 4);
  assert.equal(await getAll(network, node, random.bytes(32)), []);
  assert.is(status(node).suspects, 0);
  network.close();
});

test('an exit that gives an old record and never ends is joined by another, and passed over', async () => {
  const { network } = await privateNetwork('old without end', 12);
  const { key, value } = signedValues(network, 'old without end');
  await put(network, at(network, 1), key, value(2n), 5);
  const node = at(network, 4);
  const first = firstHop(network, node);
  for (const index of network.nodes.keys()) {
    if (index % 3 !== 0 || index === first) continue;
    lieAsExit(at(network, index), {
      get: (_key, onContent) => {
        onContent(value(1n));
        return new Promise(() => {});
      },
    });
  }
  for (let i = 0; i < 12; i++) {
    const contents = await getAll(network, node, key);
    assert.ok(contents.some((one) => one.equals(value(2n))));
  }
  assert.ok(status(node).suspects >= 1);
  network.close();
});

test('thousands of contents from one exit do not hide what another has', async () => {
  const { network } = await privateNetwork('junk first', 12);
  const { key, value } = signedValues(network, 'junk first');
  const record = value(1n);
  await put(network, at(network, 1), key, record, 5);
  const node = at(network, 4);
  for (const index of network.nodes.keys()) {
    if (index % 2 !== 0 || index === firstHop(network, node)) continue;
    lieAsExit(at(network, index), {
      get: async (_key, onContent) => {
        for (let i = 0; i < 6_000; i++) onContent(Buffer.of(i >> 8, i & 0xff));
        return 6_000;
      },
    });
  }
  let found = 0;
  for (let i = 0; i < 12; i++) {
    const contents = await getAll(network, node, key);
    assert.ok(contents.length <= 4 * 1_024, 'of each exit so many at most');
    if (contents.some((one) => one.equals(record))) found += 1;
  }
  // Both exits lie now and then.
  assert.ok(found >= 6, `${found} of 12`);
  network.close();
});

test('what others have stored here is given after what an exit has found', async () => {
  const { network } = await privateNetwork('own store', 12);
  const { key, value } = signedValues(network, 'own store');
  const record = value(1n);
  await put(network, at(network, 1), key, record, 3);
  const now = () => network.clock.now();
  const index = [...network.nodes.keys()].find(
    (one) => at(network, one).network.parts.store.get(key, now()).length === 0,
  );
  const node = at(network, index as number);
  const junk = Buffer.from('junk');
  node.network.parts.store.put({ key, content: junk, ttlMs: 60_000, replication: 1 }, 'somebody', now());
  assert.equal(await getAll(network, node, key), [record, junk]);
  const direct: Buffer[] = [];
  await network.clock.until(node.get(key, (content) => direct.push(content)));
  assert.equal(direct, [record, junk]);
  network.close();
});

test('a first hop that is busy is passed over for this request, and is no worse for it', async () => {
  const { network } = await privateNetwork('busy', 12);
  const key = random.bytes(32);
  await put(network, at(network, 1), key, Buffer.from('here'), 5);
  const node = at(network, 4);
  const pinned = firstHop(network, node);
  const { legs } = at(network, pinned).privateLookups ?? {};
  assert.ok(legs);
  legs.handle = () => 'busy';
  for (let i = 0; i < 6; i++) assert.equal(await getAll(network, node, key), [Buffer.from('here')]);
  assert.is(firstHop(network, node), pinned);
  network.close();
});

test('a pinned first hop whose position has ended, and of which nobody tells, still serves', async () => {
  const { network } = await privateNetwork('former', 12);
  const key = random.bytes(32);
  await put(network, at(network, 1), key, Buffer.from('here'), 5);
  const node = at(network, 4);
  const pinned = firstHop(network, node);
  const { parts } = node.network;
  const { paths } = node.privateLookups ?? {};
  assert.ok(paths);
  // As in a network where it is in neither table nor pool, and its epoch is over.
  const { self } = at(network, pinned).network.parts;
  paths.pool.latest = () => null;
  const verify = parts.verify;
  Object.assign(parts, { verify: (one: typeof self) => (one.id === self.id ? null : verify(one)) });
  assert.is(firstHop(network, node), pinned);
  assert.equal(await getAll(network, node, key), [Buffer.from('here')]);
  assert.is(status(node).failed, 0);
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

test.run();
