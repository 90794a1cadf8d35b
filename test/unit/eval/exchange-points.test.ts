/** Whoever asks the DHT learns the exchange points of a pseudo-identity from its newest genuine record. */

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePointsOf } from '../../../src/eval/exchange-points.js';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { MESSAGE_TYPE } from '../../../src/wire/message.js';
import { encodePresenceRecord } from '../../../src/wire/presence-record.js';
import { startServer } from '../../support/api-bench.js';

const test = suite('exchange points of a pseudo-identity');
const { publicKey: key, secretKey } = generatePseudoIdentity();
const expirySeconds = Math.floor(Date.now() / 1000) + 600;

function record(sequence: bigint, ...kxPorts: readonly number[]): Buffer {
  const doors = kxPorts.map((kxPort) => ({
    exchangePoint: { identity: randomBytes(32), kxPort, ipv4: Buffer.of(10, 0, 0, 1), ipv6: null },
    tunnelKey: null,
  }));
  const payload = encodePresenceRecord({ voipPort: 5060, doors });
  return encodeSignedValue({ sequence, expirySeconds, payload }, key, secretKey);
}

/** Ports of those that are found where the DHT has these contents. */
async function found(...contents: readonly Buffer[]): Promise<number[]> {
  const { server, port } = await startServer('dht', (connection) => {
    for (const content of contents) connection.send({ type: 'dht-get-reply', key, content });
    if (contents.length === 0) connection.send({ type: 'dht-error', requestType: MESSAGE_TYPE.dhtGet, key });
  });
  const all = await exchangePointsOf({ host: '127.0.0.1', port }, key);
  await server.close();
  return all.map(({ kxPort }) => kxPort);
}

test('those of the newest record count, whatever comes first', async () => {
  assert.equal(await found(record(1n, 3001), record(3n, 3003, 3004), record(2n, 3002)), [3003, 3004]);
});

test('junk and records that were altered do not count', async () => {
  const altered = record(9n, 3009);
  altered.writeUInt8(1, altered.length - 1);
  assert.equal(await found(Buffer.from('junk'), altered, record(1n, 3001)), [3001]);
});

test('where there is no record, there are none', async () => {
  assert.equal(await found(), []);
});

test.run();
