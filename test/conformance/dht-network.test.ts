/**
 * Real DHT daemons on loopback addresses: real UDP and TCP, real hostkeys, the real API (Spec 3.1).
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../src/api/client.js';
import type { Daemon } from '../../src/api/daemon.js';
import type { Config } from '../../src/config/config.js';
import { startDht } from '../../src/dht/daemon.js';
import { readDhtCertificate } from '../../src/engine/dht-certificate.js';
import { ikKey } from '../../src/engine/ik-handshake.js';
import { releaseMemory } from '../../src/engine/memory.js';
import { searchPuzzle } from '../../src/engine/puzzle.js';
import { PeerError } from '../../src/errors.js';
import { loadHostkey } from '../../src/identity/hostkey.js';
import { createLogger } from '../../src/log.js';
import { type ApiMessage, MESSAGE_TYPE } from '../../src/wire/message.js';
import { testHostkeyPath } from '../support/hostkeys.js';

const COUNT = 6;
const OVERLAY_PORT = 3000;

interface Peer {
  readonly daemon: Daemon;
  readonly identity: Buffer;
  readonly overlayHost: string;
  readonly api: { readonly host: string; readonly port: number };
}

interface Context {
  directory: string;
  peers: Peer[];
}

const test = suite<Context>('dht network', { directory: '', peers: [] });
// A block of 127/8 of this process's own, so that several test runs do not meet.
const block = `127.${100 + (process.pid % 100)}.${(process.pid >> 8) % 250}`;
const log = createLogger({ level: 'silent', name: 'dht' });

/** The last peer has no [KX]; the others announce addresses that differ from those of the DHT. */
async function startPeer(directory: string, index: number): Promise<Peer> {
  const overlayHost = `${block}.${index + 1}`;
  const hostkeyPath = await testHostkeyPath(index % COUNT);
  const { identity } = await loadHostkey(hostkeyPath);
  const api = { host: overlayHost, port: 3086 };
  const config = {
    file: join(directory, `peer-${index}.ini`),
    hostkeyPath,
    stateDir: join(directory, `state-${index}`),
    logLevel: 'silent',
    dht: {
      ...api,
      overlayHosts: [overlayHost],
      overlayPort: OVERLAY_PORT,
      hostlist: [{ host: `${block}.1`, port: OVERLAY_PORT }],
      replication: 3,
      privateLookups: process.env.PEER_TEST_PRIVATE_LOOKUPS === 'yes',
      diversity: 'auto',
    },
    kx:
      index === COUNT - 1
        ? null
        : { outreachHosts: [`10.77.0.${index}`, `2001:db8::${index + 1}`], outreachPort: 4001 },
    voip: null,
    warnings: [],
  } as unknown as Config;
  return {
    daemon: await startDht(config, log, {
      searchPuzzle,
      ikKey,
      readDhtCertificate,
      releaseMemory,
    }),
    identity,
    overlayHost,
    api,
  };
}

/** Resolves once the peer has its position and has found the others: on a busy machine that takes a while. */
async function joined({ daemon }: Peer): Promise<void> {
  for (;;) {
    const { node } = daemon.status() as { node: { state: string; contacts?: number } };
    if (node.state === 'joined' && (node.contacts ?? 0) >= COUNT - 1) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const peer = (context: Context, index: number) => context.peers[index] as Peer;

test.before(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'peer-dht-'));
  for (let i = 0; i < COUNT; i++) context.peers.push(await startPeer(context.directory, i));
  await Promise.all(context.peers.map(joined));
});

test.after(async (context) => {
  await Promise.all(context.peers.map(({ daemon }) => daemon.close()));
  await rm(context.directory, { recursive: true, force: true });
});

/** Sends one request and gives replies until `enough` says so, an ERROR comes, or (if given) silence after a reply. */
async function ask(
  at: Peer,
  request: ApiMessage,
  enough: (replies: ApiMessage[]) => boolean = () => true,
  silenceMs?: number,
): Promise<ApiMessage[]> {
  const client = await ApiClient.connect(at.api);
  const replies: ApiMessage[] = [];
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      client.onMessage((message) => {
        replies.push(message);
        clearTimeout(timer);
        if (message.type === 'dht-error' || enough(replies)) resolve();
        else if (silenceMs !== undefined) timer = setTimeout(resolve, silenceMs);
      });
      client.closed.then(() => reject(new PeerError('closed', 'the API closed the connection')));
      client.send(request);
    });
  } finally {
    clearTimeout(timer);
    client.close();
  }
  return replies;
}

/** PUT has no answer: asks until the content is there. @param at where it is asked for */
async function putUntilFound(
  from: Peer,
  at: Peer,
  key: Buffer,
  content: Buffer,
  replication = 0,
): Promise<void> {
  const client = await ApiClient.connect(from.api);
  client.send({ type: 'dht-put', key, content, ttlSeconds: 600, replication });
  const isIt = (message: ApiMessage) => message.type === 'dht-get-reply' && message.content.equals(content);
  for (;;) {
    const replies = await ask(at, { type: 'dht-get', key }, (all) => all.some(isIt), 100);
    if (replies.some(isIt)) break;
  }
  client.close();
}

for (const size of [0, 1, 512, 1_400, 30_000, 65_491]) {
  test(`Spec 3.1.1, 3.1.2: a content of ${size} bytes put at one peer is got at every other`, async (context) => {
    const key = randomBytes(32);
    const content = randomBytes(size);
    await putUntilFound(peer(context, size % COUNT), peer(context, 3), key, content);
    for (const at of context.peers) {
      const [reply] = await ask(at, { type: 'dht-get', key });
      assert.ok(reply?.type === 'dht-get-reply' && reply.key.equals(key) && reply.content.equals(content));
    }
  });
}

test('Spec 3.1.4: several contents under one key each come in a message of their own', async (context) => {
  const key = randomBytes(32);
  const contents = [0, 5, 600, 2_000, 20_000].map((size) => randomBytes(size));
  for (const [index, content] of contents.entries()) {
    await putUntilFound(peer(context, index), peer(context, 5), key, content, 2);
  }
  const replies = await ask(
    peer(context, 4),
    { type: 'dht-get', key },
    (all) => all.length === contents.length,
  );
  const got = replies.map((reply) =>
    reply.type === 'dht-get-reply' ? reply.content.toString('hex') : reply.type,
  );
  assert.equal(got.sort(), contents.map((content) => content.toString('hex')).sort());
});

test('Spec 3.1.6: GET of a key under which nothing is stored gives ERROR with type and key', async (context) => {
  const key = randomBytes(32);
  for (const at of context.peers) {
    const replies = await ask(at, { type: 'dht-get', key });
    assert.equal(replies, [{ type: 'dht-error', requestType: MESSAGE_TYPE.dhtGet, key }]);
  }
});

test('a PUT with a TTL of 0 can be stored nowhere: ERROR', async (context) => {
  const key = randomBytes(32);
  const request: ApiMessage = {
    type: 'dht-put',
    key,
    content: Buffer.from('x'),
    ttlSeconds: 0,
    replication: 1,
  };
  const replies = await ask(peer(context, 0), request);
  assert.equal(replies, [{ type: 'dht-error', requestType: MESSAGE_TYPE.dhtPut, key }]);
});

test('Spec 3.1.1: a content is not given out after its TTL', async (context) => {
  const key = randomBytes(32);
  const client = await ApiClient.connect(peer(context, 0).api);
  const putAtMs = Date.now();
  client.send({ type: 'dht-put', key, content: Buffer.from('brief'), ttlSeconds: 2, replication: 3 });
  let seen = false;
  for (;;) {
    const askedAtMs = Date.now();
    const [reply] = await ask(peer(context, 2), { type: 'dht-get', key });
    if (reply?.type === 'dht-get-reply') {
      seen = true;
      // What was asked for after the end must not be there (one second for the way of the PUT).
      assert.ok(askedAtMs < putAtMs + 3_000, 'given out after its TTL');
    } else if (seen) break;
  }
  assert.ok(seen);
  client.close();
});

test('Spec 3.1.3, 3.1.5: TRACE of random keys leads to every other peer, each with its own KX address', async (context) => {
  const seen = new Map<string, ApiMessage & { type: 'dht-trace-reply' }>();
  while (seen.size < COUNT - 1) {
    const key = randomBytes(32);
    const [reply] = await ask(peer(context, 1), { type: 'dht-trace', key });
    assert.ok(reply?.type === 'dht-trace-reply' && reply.key.equals(key) && reply.hops.length >= 1);
    if (reply.type === 'dht-trace-reply') seen.set(reply.hops[0]?.identity.toString('hex') ?? '', reply);
  }
  assert.not.ok(seen.has(peer(context, 1).identity.toString('hex')), 'never the peer that asks');
  for (const [index, { identity, overlayHost }] of context.peers.entries()) {
    if (index === 1) continue;
    const target = seen.get(identity.toString('hex'))?.hops[0];
    if (index === COUNT - 1) {
      const own = Buffer.from(overlayHost.split('.').map(Number));
      assert.equal(
        target,
        { identity, kxPort: 3001, ipv4: own, ipv6: null },
        'no [KX]: own address, port 3001',
      );
    } else {
      const ipv6 = Buffer.from('20010db8000000000000000000000000', 'hex');
      ipv6[15] = index + 1;
      assert.equal(target, { identity, kxPort: 4001, ipv4: Buffer.of(10, 77, 0, index), ipv6 });
    }
  }
});

test('several requests in flight on one connection are all answered', async (context) => {
  const key = randomBytes(32);
  const content = Buffer.from('pipelined');
  await putUntilFound(peer(context, 0), peer(context, 2), key, content);
  const client = await ApiClient.connect(peer(context, 2).api);
  const unknown = Array.from({ length: 20 }, () => randomBytes(32));
  const open = new Set([...unknown, key].map((one) => one.toString('hex')));
  await new Promise<void>((resolve) => {
    client.onMessage((message) => {
      if (!('key' in message)) return;
      const isKnown = message.key.equals(key);
      assert.is(message.type, isKnown ? 'dht-get-reply' : 'dht-error');
      open.delete(message.key.toString('hex'));
      if (open.size === 0) resolve();
    });
    for (const one of [...unknown, key]) client.send({ type: 'dht-get', key: one });
  });
  client.close();
});

test('a flood of malformed datagrams and broken streams disturbs nobody', async (context) => {
  const victim = peer(context, 3);
  const socket = createSocket('udp4');
  const heads = [0x11, 0x12, 0x13, 0x14, 0x15, 0x00, 0xff];
  const flood = async () => {
    for (let i = 0; i < 3_000; i++) {
      const length = heads[i % heads.length] === 0x11 ? 1_400 : 1 + ((i * 37) % 1_400);
      const bytes = randomBytes(length);
      bytes[0] = heads[i % heads.length] as number;
      await new Promise((resolve) => socket.send(bytes, OVERLAY_PORT, victim.overlayHost, resolve));
    }
  };
  const streams = Array.from({ length: 100 }, () => {
    const stream = connect({ host: victim.overlayHost, port: OVERLAY_PORT });
    stream.on('error', () => {});
    stream.write(randomBytes(500));
    return stream;
  });
  const calls = async () => {
    for (let i = 0; i < 5; i++) {
      const key = randomBytes(32);
      await putUntilFound(victim, peer(context, 0), key, randomBytes(3_000));
      const [reply] = await ask(victim, { type: 'dht-trace', key });
      assert.is(reply?.type, 'dht-trace-reply');
    }
  };
  await Promise.all([flood(), calls()]);
  for (const stream of streams) stream.destroy();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  const status = victim.daemon.status() as { node: { counters: Record<string, number> } };
  assert.is(status.node.counters.internalErrors ?? 0, 0);
  assert.ok((status.node.counters.dropMalformed ?? 0) > 0);
  assert.ok((status.node.counters.dropHandshake ?? 0) > 0);
});

test('an address that is taken gives an error that says which, and what to do', async (context) => {
  try {
    await startPeer(context.directory, 0);
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof PeerError);
    assert.is((error as PeerError).code, 'dht-bind');
    assert.match((error as PeerError).remedy ?? '', /OVERLAY_PORT/);
  }
});

test.run();
