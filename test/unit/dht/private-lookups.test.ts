import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DhtNode } from '../../../src/dht/node.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
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

test('contents of every size are put and got through onions of three hops', async () => {
  const network = new VirtualNetwork('sizes');
  makePrivate(network);
  await network.grow(24);
  for (const size of [0, 1, 512, 900, 1_300, 5_000, 20_000, 65_491]) {
    const key = random.bytes(32);
    const content = random.bytes(size);
    assert.is(await put(network, at(network, size % 24), key, content), 5, `${size} bytes`);
    const found = await getAll(network, at(network, 7), key);
    assert.is(found.length, 1, `${size} bytes`);
    assert.ok(found[0]?.equals(content));
  }
  network.close();
});

test.run();
