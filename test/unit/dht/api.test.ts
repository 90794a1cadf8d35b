/** API requests on nodes in virtual time. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ApiConnection } from '../../../src/api/server.js';
import { DhtApi } from '../../../src/dht/api.js';
import type { DhtNode } from '../../../src/dht/node.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
import type { ApiMessage } from '../../../src/wire/message.js';

const test = suite('dht api');
const random = new SeededRandom('api.test');

/** Serves one message by `from`, which makes room for `to` while the request is in work. */
async function served(network: VirtualNetwork, from: DhtNode, to: DhtNode, message: ApiMessage) {
  const sent: ApiMessage[] = [];
  const client = { isOpen: true, send: (one: ApiMessage) => sent.push(one) } as unknown as ApiConnection;
  let now = from;
  const api = new DhtApi({ node: async () => now, replication: 3 });
  const handled = api.handle(client, message);
  await network.clock.advance(network.delayMs / 2);
  now = to;
  from.close();
  await network.clock.until(handled);
  return { sent, counts: api.counts };
}

test('a request in work when the node makes room for another one is served by that', async () => {
  const network = new VirtualNetwork('renewal');
  await network.grow(12);
  const at = (index: number) => network.nodes[index]?.node as DhtNode;
  const [key, content] = [random.bytes(32), random.bytes(100)];
  await network.clock.until(at(0).put({ key, content, replication: 3, ttlMs: 3_600_000 }));
  const without = [...network.nodes.keys()].filter(
    (index) => at(index).network.parts.store.get(key, network.clock.now()).length === 0,
  );
  const [first, second, third, last] = without.map(at) as [DhtNode, DhtNode, DhtNode, DhtNode];

  const got = await served(network, first, second, { type: 'dht-get', key });
  assert.equal(got.sent, [{ type: 'dht-get-reply', key, content }]);
  assert.equal(got.counts, { put: 0, get: 1, trace: 0, errors: 0 });

  const traced = await served(network, second, third, { type: 'dht-trace', key });
  assert.equal(
    traced.sent.map(({ type }) => type),
    ['dht-trace-reply'],
  );

  const other = random.bytes(32);
  const put = { type: 'dht-put', key: other, content, ttlSeconds: 600, replication: 3 } as const;
  assert.equal((await served(network, third, last, put)).sent, []);
  const found: Buffer[] = [];
  await network.clock.until(last.get(other, (one) => found.push(one)));
  assert.equal(found, [content]);
  network.close();
});

test('a request of a node that closes for good is answered by ERROR', async () => {
  const network = new VirtualNetwork('end');
  await network.grow(4);
  const node = network.nodes[2]?.node as DhtNode;
  const { sent, counts } = await served(network, node, node, { type: 'dht-get', key: random.bytes(32) });
  assert.equal(
    sent.map(({ type }) => type),
    ['dht-error'],
  );
  assert.is(counts.errors, 1);
  network.close();
});

test.run();
