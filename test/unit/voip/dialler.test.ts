/** Dialling: a tunnel through which nobody can be reached is no reason to give up. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiServer, DHT_ACCEPTS, KX_ACCEPTS } from '../../../src/api/server.js';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { createLogger } from '../../../src/log.js';
import type { Call } from '../../../src/voip/call.js';
import { ControlChannel } from '../../../src/voip/control-channel.js';
import { DialFailure, dial } from '../../../src/voip/dialler.js';
import { KxLink } from '../../../src/voip/kx-link.js';
import { encodePresenceRecord } from '../../../src/wire/presence-record.js';

const test = suite('dialler');
const log = createLogger({ level: 'silent', name: 'test' });
const host = '127.0.0.1';
const caller = generatePseudoIdentity();
const callee = generatePseudoIdentity();
const doors = [1, 2].map((number) => ({
  exchangePoint: {
    identity: Buffer.alloc(32, number),
    kxPort: 3001,
    ipv4: Buffer.of(10, 0, 0, number),
    ipv6: null,
  },
  tunnelKey: null,
}));

/** Where tunnels end, one after the other: the callee, something that closes connections, or the API's connection is cut. */
async function dialThrough(ends: readonly ('callee' | 'closes' | 'cut')[]) {
  const seen: string[] = [];
  const byDoor: number[] = [];
  const good = createServer((socket) => void ControlChannel.answer(socket, [callee]).catch(() => {}));
  await once(good.listen(0, host), 'listening');
  const { port } = good.address() as { port: number };
  const bad = createServer((socket) => socket.destroy());
  await once(bad.listen(port, '127.0.0.2'), 'listening');
  const payload = encodePresenceRecord({ voipPort: port, doors });
  const value = { sequence: 1n, expirySeconds: Math.floor(Date.now() / 1000) + 600, payload };
  const content = encodeSignedValue(value, callee.publicKey, callee.secretKey);
  const shared = { host, port: 0, log, onDisconnect: () => {} };
  const dht = new ApiServer({
    ...{ ...shared, module: 'dht', accepts: DHT_ACCEPTS },
    onMessage: (client, message) => {
      if (message.type === 'dht-get') client.send({ type: 'dht-get-reply', key: message.key, content });
    },
  });
  const kx = new ApiServer({
    ...{ ...shared, module: 'kx', accepts: KX_ACCEPTS },
    onMessage: (client, message) => {
      seen.push(message.type);
      if (message.type !== 'kx-build-outgoing') return;
      const end = ends[byDoor.length];
      byDoor.push(message.exchangePoint.identity[0] as number);
      if (end === 'cut') return client.close('cut');
      const ipv4 = Buffer.of(127, 0, 0, end === 'callee' ? 1 : 2);
      client.send({ type: 'kx-ready', pseudoIdentity: message.pseudoIdentity, ipv4, ipv6: Buffer.alloc(16) });
    },
  });
  const link = new KxLink({ host, port: (await kx.listen()).port }, log);
  const api = { host, port: (await dht.listen()).port };
  const options = { dht: api, kx: link, hops: 3, extensions: true, localAddress: host };
  const call = { go: () => {} } as unknown as Call;
  const dialled = dial(call, caller, callee.publicKey, options, new AbortController().signal);
  const failure = await dialled.then(
    ({ connection }) => {
      connection.end();
      return null;
    },
    (error: unknown) => error,
  );
  link.close();
  const closed = (server: Server) => new Promise((resolve) => server.close(resolve));
  await Promise.all([closed(good), closed(bad), kx.close(), dht.close()]);
  return { seen, byDoor, failure };
}

test('where the tunnel brings no handshake about, it is given up for one by the other exchange point', async () => {
  const { seen, byDoor, failure } = await dialThrough(['closes', 'callee']);
  assert.is(failure, null);
  assert.equal(seen, ['kx-build-outgoing', 'kx-destroy', 'kx-build-outgoing']);
  assert.is.not(byDoor[0], byDoor[1]);
});

test('an exchange point at which the KX closed its connection is tried once more', async () => {
  const { byDoor, failure } = await dialThrough(['cut', 'cut', 'callee']);
  assert.is(failure, null);
  assert.is.not(byDoor[0], byDoor[1]);
  assert.is(byDoor[2], byDoor[0]);
  const never = await dialThrough(['cut', 'cut', 'cut', 'callee']);
  assert.is((never.failure as DialFailure).reason, 'not-reachable');
  assert.is(never.byDoor.length, 3);
});

test('the callee is not reachable where the second brings none about either', async () => {
  const { seen, failure } = await dialThrough(['closes', 'closes']);
  assert.ok(failure instanceof DialFailure);
  assert.is((failure as DialFailure).reason, 'not-reachable');
  assert.equal(seen, ['kx-build-outgoing', 'kx-destroy', 'kx-build-outgoing']);
});

test.run();
