import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeDatagram } from '../../../src/dht/datagram.js';
import { noiseChannel } from '../../../src/dht/noise-channel.js';
import { ownAddresses } from '../../../src/dht/own-addresses.js';
import { Peers } from '../../../src/dht/peers.js';
import { loadPosition } from '../../../src/dht/position-store.js';
import { CERTIFICATE_BYTES, type ChannelKeys } from '../../../src/dht/secure-channel.js';
import { type NewSession, SESSION_LIFETIME_MS, SessionTable } from '../../../src/dht/session-table.js';
import { readDhtCertificate } from '../../../src/engine/dht-certificate.js';
import { ikKey } from '../../../src/engine/ik-handshake.js';
import { searchPuzzle } from '../../../src/engine/puzzle.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { createNoiseKeyPair } from '../../../src/identity/noise-keys.js';

const test = suite('dht sessions');
const NOW = 1_800_000_000_000;
const endpoint = { family: 4, host: '10.0.0.1', port: 3000 } as const;
const alice = createNoiseKeyPair();
const bob = createNoiseKeyPair();
const aliceChannel = noiseChannel(alice, Buffer.alloc(CERTIFICATE_BYTES), { ikKey, readDhtCertificate });
const bobChannel = noiseChannel(bob, Buffer.alloc(CERTIFICATE_BYTES), { ikKey, readDhtCertificate });

function session(keys: ChannelKeys, localId: number, remoteId: number, confirmed: boolean): NewSession {
  const identity = randomBytes(32);
  const contact = {
    ...{ id: identity.toString('hex'), identity, key: bob.publicKey, position: randomBytes(32) },
    ...{ proof: { epoch: 0, nonce: randomBytes(8) }, ipv4: endpoint.host, ipv6: null, port: 3000 },
  };
  return { contact, endpoint, localId, remoteId, keys, createdAtMs: NOW, confirmed };
}

/** Both ends of a session made by a real handshake. */
function ends() {
  const initiation = aliceChannel.initiate('datagram', bob.publicKey, Buffer.from('q'));
  const reception = bobChannel.respond('datagram', initiation?.message as Buffer);
  assert.equal(reception?.remoteKey, alice.publicKey);
  assert.equal(reception?.payload, Buffer.from('q'));
  const answer = reception?.reply(Buffer.from('a'));
  const finished = initiation?.finish(answer?.message as Buffer);
  assert.equal(finished?.payload, Buffer.from('a'));
  const random = new SeededRandom('ends');
  const tables = {
    alice: new SessionTable(aliceChannel, random, new Peers(), NOW),
    bob: new SessionTable(bobChannel, random, new Peers(), NOW),
  };
  const near = tables.alice.add(session(finished?.keys as ChannelKeys, 1, 2, true));
  const far = tables.bob.add(session(answer?.keys as ChannelKeys, 2, 1, false));
  return { tables, near, far };
}

function open(table: SessionTable, bytes: Buffer, nowMs = NOW) {
  const datagram = decodeDatagram(bytes);
  if (datagram?.type !== 'sealed') throw new Error('not sealed');
  return table.open(datagram, nowMs);
}

test('the first sealed datagram confirms a session; each is taken once, in any order', () => {
  const { tables, near, far } = ends();
  const sealed = [0, 1, 2].map((n) => tables.alice.seal(near, Buffer.of(n)));
  assert.not.ok(far.confirmed);
  for (const n of [2, 0, 1]) {
    const opened = open(tables.bob, sealed[n] as Buffer);
    assert.ok(typeof opened === 'object' && opened.plaintext.equals(Buffer.of(n)));
  }
  assert.ok(far.confirmed);
  assert.equal(tables.bob.size, { confirmed: 1, unconfirmed: 0 });
  for (const one of sealed) assert.is(open(tables.bob, one), 'replayed');
});

test('any altered byte of header or body is refused and confirms nothing', () => {
  const { tables, near, far } = ends();
  const sealed = tables.alice.seal(near, Buffer.from('content'));
  for (let i = 1; i < sealed.length; i++) {
    const altered = Buffer.from(sealed);
    altered[i] = (altered[i] as number) ^ 1;
    const datagram = decodeDatagram(altered);
    if (datagram?.type === 'sealed') assert.type(tables.bob.open(datagram, NOW), 'string');
  }
  assert.not.ok(far.confirmed);
  assert.type(open(tables.bob, sealed), 'object');
});

test('both directions have frames of their own, and none is taken back by who sent it', () => {
  const [header, plaintext] = [Buffer.from('header'), Buffer.from('content')];
  const initiation = aliceChannel.initiate('datagram', bob.publicKey, Buffer.alloc(0));
  const answer = bobChannel.respond('datagram', initiation?.message as Buffer)?.reply(Buffer.alloc(0));
  const near = initiation?.finish(answer?.message as Buffer)?.keys as ChannelKeys;
  const far = answer?.keys as ChannelKeys;
  const there = aliceChannel.seal(near, 7, header, plaintext);
  const back = bobChannel.seal(far, 7, header, plaintext);
  assert.not.equal(there, back);
  const body = (frame: Buffer) => frame.subarray(header.length);
  assert.equal(bobChannel.open(far, 7, header, body(there)), plaintext);
  assert.equal(aliceChannel.open(near, 7, header, body(back)), plaintext);
  assert.is(aliceChannel.open(near, 7, header, body(there)), null);
  assert.is(bobChannel.open(far, 7, header, body(back)), null);
});

test('sessions end after their lifetime', () => {
  const { tables, near } = ends();
  const sealed = tables.alice.seal(near, Buffer.of(1));
  assert.is(open(tables.bob, sealed, NOW + SESSION_LIFETIME_MS + 1), 'unknown-session');
  assert.is(tables.alice.forPeer(near.contact, endpoint, NOW), near);
  assert.is(tables.alice.forPeer(near.contact, { ...endpoint, port: 1 }, NOW), null);
  assert.is(tables.alice.forPeer(near.contact, endpoint, NOW + SESSION_LIFETIME_MS + 1), null);
});

test('a retired session sends nothing more but still receives', () => {
  const { tables, near, far } = ends();
  tables.bob.retire(far);
  assert.is(tables.bob.forPeer(far.contact, endpoint, NOW), null);
  assert.type(open(tables.bob, tables.alice.seal(near, Buffer.of(1))), 'object');
});

test('a flood of unconfirmed sessions never pushes out confirmed ones', () => {
  const [random, peers] = [new SeededRandom('flood'), new Peers({ met: 4, strangers: 3 })];
  const table = new SessionTable(aliceChannel, random, peers, NOW, { confirmed: 4, unconfirmed: 3 });
  const keys = randomBytes(64);
  const kept = [1, 2, 3, 4].map((id) => table.add(session(keys, id, id, true)));
  for (let id = 100; id < 200; id++) table.add(session(keys, id, id, false));
  assert.equal(table.size, { confirmed: 4, unconfirmed: 3 });
  for (const one of kept) assert.is(table.forPeer(one.contact, endpoint, NOW), one);
});

test('a session that a flood of met peers made unknown is not sent on, but still receives', () => {
  const { tables, near, far } = ends();
  const flood = () => {
    for (let i = 0; i < 5_000; i++) {
      const identity = randomBytes(32);
      tables.bob.peers.meet({ ...far.contact, identity, id: identity.toString('hex') });
    }
  };
  flood();
  assert.is(tables.bob.forPeer(far.contact, endpoint, NOW), far, 'unconfirmed, so it is among the strangers');
  assert.type(open(tables.bob, tables.alice.seal(near, Buffer.of(1))), 'object');
  flood();
  assert.is(tables.bob.forPeer(far.contact, endpoint, NOW), null);
  assert.type(open(tables.bob, tables.alice.seal(near, Buffer.of(2))), 'object');
});

test('handshakes for another purpose, another key or with altered bytes are null, not exceptions', () => {
  const message = aliceChannel.initiate('datagram', bob.publicKey, Buffer.alloc(40))?.message as Buffer;
  assert.is(bobChannel.respond('stream', message), null);
  assert.is(aliceChannel.respond('datagram', message), null);
  assert.is(bobChannel.respond('datagram', message.subarray(0, 50)), null);
  assert.is(aliceChannel.initiate('datagram', Buffer.alloc(32), Buffer.alloc(1)), null);
  assert.is(bobChannel.readCertificate(randomBytes(CERTIFICATE_BYTES), NOW / 1000), null);
});

test('the position is found once, kept with mode 0600, and a damaged file is replaced', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peer-position-'));
  const identity = randomBytes(32);
  const file = join(directory, 'dht', 'position.json');
  const load = () => loadPosition(directory, identity, NOW / 1000, searchPuzzle, () => false);
  const first = await load();
  assert.equal(await load(), first);
  assert.is((await stat(file)).mode & 0o777, 0o600);
  await writeFile(file, '{"epoch": "x"');
  const again = await load();
  assert.is(again?.position.length, 32);
  assert.ok((await readFile(file, 'utf8')).includes(again?.proof.nonce.toString('hex') ?? '-'));
  assert.is(await loadPosition(directory, randomBytes(32), NOW / 1000, searchPuzzle, () => true), null);
  await rm(directory, { recursive: true });
});

test('own addresses: literals are bound as they are, wildcards announce nothing', async () => {
  assert.equal(await ownAddresses(['127.0.0.5', '::1'], 3000), {
    bind: [
      { family: 4, host: '127.0.0.5', port: 3000 },
      { family: 6, host: '::1', port: 3000 },
    ],
    ipv4: '127.0.0.5',
    ipv6: '::1',
  });
  const wild = await ownAddresses(['0.0.0.0', '127.0.0.5'], 3000);
  assert.equal(wild, { bind: [{ family: 4, host: '0.0.0.0', port: 3000 }], ipv4: '127.0.0.5', ipv6: null });
});

test.run();
