/** Looking up a pseudo-identity in a DHT whose answers the test decides. */

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { search } from '../../../src/voip/directory.js';
import { encodePresenceRecord } from '../../../src/wire/presence-record.js';
import { startServer } from '../../support/api-bench.js';

const test = suite('directory');
const { publicKey: key, secretKey } = generatePseudoIdentity();
const expirySeconds = Math.floor(Date.now() / 1000) + 600;

function record(sequence: bigint, kxPort: number): Buffer {
  const exchangePoint = { identity: randomBytes(32), kxPort, ipv4: Buffer.of(10, 0, 0, 1), ipv6: null };
  const payload = encodePresenceRecord({ voipPort: 5060, doors: [{ exchangePoint, tunnelKey: null }] });
  return encodeSignedValue({ sequence, expirySeconds, payload }, key, secretKey);
}

/** What is found where the DHT gives each content so many milliseconds after the GET. */
async function found(contents: readonly (readonly [number, Buffer])[]) {
  const { server, port } = await startServer('dht', (connection) => {
    for (const [afterMs, content] of contents) {
      setTimeout(() => connection.send({ type: 'dht-get-reply', key, content }), afterMs);
    }
  });
  const { first, newest } = search({ host: '127.0.0.1', port }, key, new AbortController().signal);
  const order: string[] = [];
  void newest.then(() => order.push('newest'));
  const early = await first;
  order.push('first');
  const given = await newest;
  await server.close();
  return { early, given, order };
}

test('junk under the key, however early, does not end the search for the record', async () => {
  const stolen = Buffer.from(record(9n, 9));
  stolen.writeUInt8(1, stolen.length - 1);
  const { early, given } = await found([
    [0, Buffer.from('junk')],
    [0, stolen],
    [600, record(1n, 3001)],
  ]);
  assert.is(early?.doors[0]?.exchangePoint.kxPort, 3001);
  assert.is(given?.doors[0]?.exchangePoint.kxPort, 3001);
});

test('the first record is told at once, and a newer one that comes a little later', async () => {
  const { early, given, order } = await found([
    [0, record(1n, 3001)],
    [100, record(2n, 3002)],
  ]);
  assert.is(early?.doors[0]?.exchangePoint.kxPort, 3001);
  assert.is(given?.doors[0]?.exchangePoint.kxPort, 3002);
  assert.equal(order, ['first', 'newest']);
});

test.run();
