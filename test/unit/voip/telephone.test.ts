/** The telephone and its registrations on loopback, against modules that the test plays. */

import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ApiConnection } from '../../../src/api/server.js';
import { ApiServer, DHT_ACCEPTS, KX_ACCEPTS } from '../../../src/api/server.js';
import { steadyClock } from '../../../src/clock.js';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { createLogger } from '../../../src/log.js';
import type { CallView } from '../../../src/voip/call.js';
import { Contacts } from '../../../src/voip/contacts.js';
import { ControlChannel } from '../../../src/voip/control-channel.js';
import type { ControlMessage } from '../../../src/voip/control-message.js';
import { dial } from '../../../src/voip/dialler.js';
import { Entrances } from '../../../src/voip/entrances.js';
import { KxLink } from '../../../src/voip/kx-link.js';
import { RECORD_COPIES, Registration } from '../../../src/voip/registration.js';
import { signRegistration } from '../../../src/voip/signed-registration.js';
import { Telephone } from '../../../src/voip/telephone.js';
import {
  type BuildExtension,
  decodeBuildExtension,
  type SignedRegistration,
} from '../../../src/wire/build-extension.js';
import { type ApiMessage, MESSAGE_TYPE } from '../../../src/wire/message.js';
import { encodePresenceRecord } from '../../../src/wire/presence-record.js';
import { freePort } from '../../support/free-port.js';

const test = suite('telephone');
const log = createLogger({ level: 'silent', name: 'test' });
const bob = { ...generatePseudoIdentity(), name: 'bob', createdSeconds: 0 };
const carol = { ...generatePseudoIdentity(), name: 'carol', createdSeconds: 0 };

type OnMessage = (client: ApiConnection, message: ApiMessage) => void;

async function stub(module: 'dht' | 'kx', onMessage: OnMessage) {
  const accepts = module === 'dht' ? DHT_ACCEPTS : KX_ACCEPTS;
  const onDisconnect = () => {};
  const server = new ApiServer({ module, host: '127.0.0.1', port: 0, accepts, log, onMessage, onDisconnect });
  const { port } = await server.listen();
  return { server, endpoint: { host: '127.0.0.1', port } };
}

async function bench(onKx: OnMessage = () => {}, onDht: OnMessage = () => {}, extensions = true) {
  const kx = await stub('kx', onKx);
  const dht = await stub('dht', onDht);
  const link = new KxLink(kx.endpoint, log);
  const sharedPort = await freePort();
  const calls: CallView[] = [];
  const contacts = new Contacts(mkdtempSync(join(tmpdir(), 'peer-telephone-')));
  const localAddress = '127.0.0.1';
  const dialOptions = { dht: dht.endpoint, kx: link, hops: 3, extensions, localAddress };
  const telephone = new Telephone({
    clock: steadyClock,
    ringMs: 45_000,
    openVoice: () => {
      throw new Error('nobody talks in these tests');
    },
    dial: (call, local, remote, signal) => dial(call, local, remote, dialOptions, signal),
    release: async (remote) => (await link.get()).destroy(remote),
    contactOf: (publicKey) => contacts.of(publicKey),
    judge: async () => 'ring',
    onMissed: () => {},
    identities: () => [bob, carol],
    autoAnswer: false,
    log,
    onCall: (call) => calls.push(call),
  });
  let refused = 0;
  const entrances = new Entrances({
    apart: extensions,
    address: localAddress,
    port: sharedPort,
    onCaller: (caller) => telephone.welcome(caller),
    onRefused: () => {
      refused += 1;
    },
    onMoved: () => {},
    log,
  });
  entrances.serve([bob, carol]);
  while (!entrances.listening) await new Promise((resolve) => setImmediate(resolve));
  const port = entrances.portOf(bob.publicKey) as number;
  const close = async () => {
    await Promise.all([telephone.close(), entrances.close()]);
    link.close();
    await Promise.all([kx.server.close(), dht.server.close()]);
  };
  return { telephone, entrances, refused: () => refused, port, sharedPort, calls, link, dht, close };
}

async function ring(port: number, whom = bob): Promise<[ControlChannel, Promise<ControlMessage>]> {
  const channel = await ControlChannel.call(
    connect(port, '127.0.0.1'),
    generatePseudoIdentity(),
    whom.publicKey,
  );
  const answer = new Promise<ControlMessage>((resolve) => {
    channel.listen({ onMessage: resolve, onClose: () => {} });
  });
  channel.send({ type: 'invite', call: '0'.repeat(32), voicePort: 4000 });
  return [channel, answer];
}

async function isRefused(attempt: Promise<unknown>): Promise<void> {
  const outcome = await attempt.then(
    () => 'answered',
    () => 'refused',
  );
  assert.is(outcome, 'refused');
}

test('of three callers at once two ring and one hears busy', async () => {
  const { port, close } = await bench();
  const calls = await Promise.all([ring(port), ring(port), ring(port)]);
  const answers = await Promise.all(calls.map(([, answer]) => answer));
  assert.equal(answers.map(({ type }) => type).sort(), ['busy', 'ringing', 'ringing']);
  await close();
  for (const [channel] of calls) channel.end();
});

test('at the port of one pseudo-identity no other of the same peer answers', async () => {
  const { entrances, port, sharedPort, close } = await bench();
  const other = entrances.portOf(carol.publicKey) as number;
  assert.is(new Set([port, other, sharedPort]).size, 3);
  await isRefused(ring(port, carol));
  await isRefused(ring(sharedPort));
  const [channel, answer] = await ring(other, carol);
  assert.is((await answer).type, 'ringing');
  channel.end();
  // A pseudo-identity that is gone has no port any more.
  entrances.serve([bob]);
  assert.is(entrances.portOf(carol.publicKey), null);
  await isRefused(ring(other, carol));
  await close();
});

test('without extensions all pseudo-identities answer at the configured port', async () => {
  const nothing = () => {};
  const { entrances, sharedPort, close } = await bench(nothing, nothing, false);
  assert.is(entrances.portOf(bob.publicKey), sharedPort);
  assert.is(entrances.portOf(carol.publicKey), sharedPort);
  const [channel, answer] = await ring(sharedPort, carol);
  assert.is((await answer).type, 'ringing');
  await close();
  channel.end();
});

test('one address cannot take all places of strangers', async () => {
  const { refused, port, close } = await bench();
  const idle: Socket[] = [];
  for (let number = 0; number < 5; number += 1) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    idle.push(socket);
    await once(socket, 'connect');
  }
  await Promise.race(idle.map((socket) => once(socket.resume(), 'close')));
  assert.is(refused(), 1);
  await close();
});

test('nobody calls himself', async () => {
  const { telephone, calls, close } = await bench();
  assert.throws(
    () => telephone.dial(bob.publicKey, undefined, undefined),
    (error: { code: string }) => error.code === 'call-self',
  );
  assert.equal(calls, []);
  await close();
});

test('hanging up works again in a call that is dialled right after another', async () => {
  const { telephone, calls, close } = await bench();
  for (let round = 1; round <= 3; round += 1) {
    telephone.dial(generatePseudoIdentity().publicKey, undefined, undefined);
    assert.is((await telephone.end()).state, 'ended');
    assert.is(calls.at(-1)?.reason, 'hung-up');
  }
  await close();
});

test('an identity that is removed while it registers publishes nothing and builds nothing', async () => {
  const kinds: string[] = [];
  let traced: (answer: () => void) => void = () => {};
  const asked = new Promise<() => void>((resolve) => {
    traced = resolve;
  });
  const { link, dht, close } = await bench(
    (_, message) => kinds.push(message.type),
    (client, message) => {
      kinds.push(message.type);
      if (message.type !== 'dht-trace') return;
      const hop = {
        identity: Buffer.alloc(32, 1),
        kxPort: 3001,
        ipv4: Buffer.from([10, 0, 0, 9]),
        ipv6: null,
      };
      traced(() => client.send({ type: 'dht-trace-reply', key: message.key, hops: [hop] }));
    },
  );
  const onChange = () => {};
  const rest = {
    hops: 3,
    extensions: true,
    voipPort: () => 5060,
    startAfterMs: 0,
    isBusy: () => false,
    log,
    onChange,
  };
  const options = { identity: bob, dht: dht.endpoint, kx: link, ...rest };
  const registration = new Registration(options);
  const answer = await asked;
  await registration.stop();
  while (!kinds.includes('kx-destroy')) await new Promise((resolve) => setImmediate(resolve));
  answer();
  // The trace's connection is closed when its answer has been taken; one more round trip shows what followed.
  (await link.get()).destroy(bob.publicKey);
  while (kinds.filter((kind) => kind === 'kx-destroy').length < 2)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(kinds, ['dht-trace', 'kx-destroy', 'kx-destroy']);
  assert.is(registration.state, 'stopped');
  await close();
});

test('the KX gets a registration that the pseudo-identity has signed, and a newer one with each refresh', async () => {
  const extensions: BuildExtension[] = [];
  let port = 11_001;
  let wake = () => {};
  const exchangePoint = Buffer.alloc(32, 1);
  const { link, dht, close } = await bench(
    (client, message) => {
      if (message.type !== 'kx-build-incoming') return;
      extensions.push(decodeBuildExtension(message.extension) as BuildExtension);
      const { pseudoIdentity } = message;
      client.send({ type: 'kx-ready', pseudoIdentity, ipv4: Buffer.alloc(4), ipv6: Buffer.alloc(16) });
      wake();
    },
    (client, message) => {
      if (message.type !== 'dht-trace') return;
      const hop = { identity: exchangePoint, kxPort: 3001, ipv4: Buffer.from([10, 0, 0, 9]), ipv6: null };
      client.send({ type: 'dht-trace-reply', key: message.key, hops: [hop] });
    },
  );
  const built = async (count: number) => {
    while (extensions.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const registration = new Registration({
    identity: bob,
    dht: dht.endpoint,
    kx: link,
    hops: 3,
    extensions: true,
    voipPort: () => port,
    startAfterMs: 0,
    isBusy: () => false,
    log,
    // While it registers the port changes: that is noticed.
    onChange: (state) => {
      if (state === 'registered') port = 11_002;
    },
  });
  await built(2);
  port = 11_003;
  registration.moved();
  await built(3);
  assert.equal(
    extensions.map(({ port }) => port),
    [11_001, 11_002, 11_003],
  );
  const [first, second] = extensions as [BuildExtension, BuildExtension];
  assert.ok((second.registration?.time ?? 0n) > (first.registration?.time ?? 0n));
  assert.not.equal(second.registration?.secret, first.registration?.secret);
  for (const { registration } of [first, second]) {
    const { secret, time, expiry, signature } = registration as SignedRegistration;
    assert.equal(signature, signRegistration(bob, { exchangePoint, time, expiry }, secret).signature);
    assert.ok(expiry - time <= 24n * 3600n && expiry > BigInt(Math.floor(Date.now() / 1000)));
  }
  await registration.stop();
  await close();
});

/** Two exchange points, one a trace, in turn. */
function hopsInTurn() {
  let traces = 0;
  return () => {
    traces += 1;
    return {
      identity: Buffer.alloc(32, 1 + (traces % 2)),
      kxPort: 3001,
      ipv4: Buffer.from([10, 0, 0, traces % 2]),
      ipv6: null,
    };
  };
}

/** A registration, and which exchange points the KX was asked for. */
async function registrationBench(
  extensions: boolean,
  onPut: (count: number, copies: number) => void = () => {},
) {
  const asked: number[] = [];
  const clients = new Set<ApiConnection>();
  const nextHop = hopsInTurn();
  let puts = 0;
  const { link, dht, close } = await bench(
    (client, message) => {
      if (message.type !== 'kx-build-incoming') return;
      clients.add(client);
      asked.push(message.exchangePoint.identity[0] as number);
      const { pseudoIdentity } = message;
      client.send({ type: 'kx-ready', pseudoIdentity, ipv4: Buffer.alloc(4), ipv6: Buffer.alloc(16) });
    },
    (client, message) => {
      if (message.type === 'dht-trace')
        client.send({ type: 'dht-trace-reply', key: message.key, hops: [nextHop()] });
      if (message.type !== 'dht-put') return;
      puts += 1;
      onPut(puts, message.replication);
    },
    extensions,
  );
  const registration = new Registration({
    ...{ identity: bob, dht: dht.endpoint, kx: link, hops: 3, extensions, voipPort: () => 11_001 },
    ...{ startAfterMs: 0, isBusy: () => false, log, onChange: () => {} },
  });
  const until = async (ready: () => boolean) => {
    while (!ready()) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const end = async () => {
    await registration.stop();
    await close();
  };
  return { registration, asked, clients, puts: () => puts, until, end };
}

test('a tunnel that is lost while the record is being put is asked for again', async () => {
  let restart = () => {};
  // The second one: both exchange points are there.
  const bench = await registrationBench(true, (count, copies) => {
    assert.is(copies, RECORD_COPIES);
    if (count === 2) restart();
  });
  restart = () => bench.registration.restart();
  const { asked, until, end } = bench;
  await until(() => bench.puts() === 2);
  assert.is(asked.length, 2);
  await until(() => asked.length === 4);
  assert.equal(asked.slice(2), asked.slice(0, 2));
  await end();
});

test('a KX without extensions is asked for another exchange point when the tunnel is lost', async () => {
  const { registration, asked, puts, until, end } = await registrationBench(false);
  await until(() => puts() === 1 && registration.state === 'registered');
  registration.restart();
  await until(() => asked.length === 2);
  assert.is.not(asked[0], asked[1]);
  await until(() => puts() === 2);
  await end();
});

test('when the KX comes back, it is asked for the exchange points of before', async () => {
  const { registration, asked, clients, puts, until, end } = await registrationBench(true);
  await until(() => puts() === 2);
  for (const client of clients) client.close('away');
  registration.restart();
  await until(() => asked.length === 4);
  assert.equal(asked.slice(2), asked.slice(0, 2));
  await end();
});

test('whoever hangs up while a tunnel is built leaves none behind, by no other exchange point either', async () => {
  const seen: string[] = [];
  const remote = generatePseudoIdentity();
  const nextHop = hopsInTurn();
  const doors = [nextHop(), nextHop()].map((exchangePoint) => ({ exchangePoint, tunnelKey: null }));
  const payload = encodePresenceRecord({ voipPort: 5_060, doors });
  const value = { sequence: 1n, expirySeconds: Math.floor(Date.now() / 1000) + 600, payload };
  const content = encodeSignedValue(value, remote.publicKey, remote.secretKey);
  const { telephone, link, close } = await bench(
    (client, message) => {
      seen.push(message.type);
      if (message.type !== 'kx-destroy') return;
      // As a KX does: what was being built is answered.
      const { pseudoIdentity } = message;
      const requestType = MESSAGE_TYPE.kxBuildOutgoing;
      if (seen.at(-2) === 'kx-build-outgoing') client.send({ type: 'kx-error', requestType, pseudoIdentity });
    },
    (client, message) => {
      if (message.type === 'dht-get') client.send({ type: 'dht-get-reply', key: message.key, content });
    },
  );
  telephone.dial(remote.publicKey, undefined, undefined);
  while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await telephone.end();
  // One more round trip behind the answer shows what followed.
  while (!seen.includes('kx-destroy')) await new Promise((resolve) => setTimeout(resolve, 10));
  (await link.get()).destroy(Buffer.alloc(32));
  while (seen.filter((type) => type === 'kx-destroy').length < 2)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(seen, ['kx-build-outgoing', 'kx-destroy', 'kx-destroy']);
  await close();
});

test.run();
