/** What nodes of a private lookup get to see, and what hostile ones can do to others. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ByteWriter } from '../../../src/dht/bytes.js';
import { type Contact, writeContact } from '../../../src/dht/contact.js';
import { DhtNode } from '../../../src/dht/node.js';
import { MAX_LOOKUPS } from '../../../src/dht/private/exit.js';
import { encodeExitRequest } from '../../../src/dht/private/exit-message.js';
import { MAX_LEG_BYTES, MAX_LEGS } from '../../../src/dht/private/legs.js';
import { ONION_BYTES, type Onion, slotAt, wrapOnion } from '../../../src/dht/private/onion.js';
import { MAX_PASSAGES_A_SOURCE } from '../../../src/dht/private/relay.js';
import { SeenOnions } from '../../../src/dht/private/seen-onions.js';
import { decodeRpc } from '../../../src/dht/rpc-message.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { standInOnionCipher } from '../../../src/eval/sim/stand-in-onion-cipher.js';
import type { VirtualNetwork, VirtualNode } from '../../../src/eval/sim/virtual-network.js';
import { readyNetwork, watch, withoutContacts } from './watched-network.js';

const test = suite('dht private lookups under attack');
const random = new SeededRandom('private-attacks.test');
const HOUR_MS = 3_600_000;

const at = (network: VirtualNetwork, index: number) => network.nodes[index]?.node as DhtNode;
const self = (node: DhtNode): Contact => node.network.parts.self;

const privateNetwork = async (seed: string, count: number) => (await readyNetwork(seed, count)).network;

async function getAll(network: VirtualNetwork, node: DhtNode, key: Buffer): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  await network.clock.until(node.lookups.get(key, (content) => contents.push(content)));
  return contents;
}

for (const size of [40, 3_000, 65_000]) {
  test(`nobody but the first hop hears of the requester, and the first hop never of the key (${size} bytes)`, async () => {
    const { network, ciphers } = await readyNetwork(`taint ${size}`, 26);
    const content = random.bytes(size);
    const key = random.bytes(32);
    const requester = 17;
    const node = at(network, requester);
    const { identity, key: dhtKey, ipv4, id } = self(node);
    const address = Buffer.from((ipv4 as string).split('.').map(Number));
    const marks = [identity, dhtKey, address, Buffer.from(ipv4 as string), Buffer.from(id)];
    const { seen, asked } = watch(network, ciphers);

    const stored = await network.clock.until(
      node.lookups.put({ key, content, replication: 5, ttlMs: HOUR_MS }),
    );
    assert.is(stored, 5);
    assert.equal(await getAll(network, node, key), [content]);
    assert.ok(((node.status().privateLookups as { onions: number }).onions ?? 0) >= 2);

    const hosts = new Set(asked.filter(({ from }) => from === ipv4).map(({ to }) => to));
    const pinned = node.privateLookups?.paths?.firstHop() as Contact;
    assert.equal([...hosts], [pinned.ipv4], 'the requester turns to its first hop and to nobody else');
    const first = network.nodes.findIndex(({ endpoint }) => endpoint.host === pinned.ipv4);

    let knowKey = 0;
    for (const { at: index, plaintext, handshake } of seen) {
      const said = withoutContacts(plaintext);
      if (said.includes(key)) knowKey += 1;
      if (index === requester) continue;
      if (index === first) {
        // It may be among the nodes that a lookup of the exit asks, but never from the onion.
        const kind = decodeRpc(plaintext)?.message.kind;
        if (kind === undefined && !handshake)
          assert.not.ok(said.includes(key), 'the first hop saw the key in an onion');
        continue;
      }
      for (const mark of marks) {
        assert.not.ok(said.includes(mark), `node ${index} saw the requester`);
      }
    }
    assert.ok(knowKey > 5, 'the search for plaintexts finds what is there');
    network.close();
  });
}

test('an onion sent again, by whoever got it, is dropped and counted, and looks nothing up', async () => {
  const network = await privateNetwork('replay', 12);
  const [sender, hop] = [at(network, 3), at(network, 4)];
  const cipher = standInOnionCipher(random.bytes(32), random);
  const payload = encodeExitRequest({ kind: 'get', key: random.bytes(32) });
  const path = [self(hop), self(at(network, 5)), self(at(network, 6))];
  const onion = wrapOnion(cipher, random, path, payload, slotAt(network.clock.now())) as Onion;
  const legs = sender.privateLookups?.legs;
  const verdicts: unknown[] = [];
  const send = async (by: DhtNode) => {
    by.privateLookups?.legs.forward(self(hop), onion.bytes, {
      onReply: () => {},
      onVerdict: (verdict) => verdicts.push(verdict),
    });
    await network.clock.advance(1_000);
  };
  const served = at(network, 6).counters.get('onionsServed');
  await send(sender);
  await send(sender);
  await send(at(network, 8));
  assert.ok(legs);
  assert.equal(verdicts, ['taken', 'refused', 'refused']);
  assert.is(hop.counters.get('dropOnionReplayed'), 2);
  assert.is(at(network, 6).counters.get('onionsServed') - served, 1);
  await network.clock.advance(1_300_000);
  await send(sender);
  assert.is(hop.counters.get('dropOnionStale'), 1);
  network.close();
});

test('a node that takes over from another refuses the onions that this one has accepted', async () => {
  const network = await privateNetwork('takes over', 6);
  const { host, node: old } = network.nodes[3] as VirtualNode;
  const cipher = standInOnionCipher(self(old).key, random);
  const seen = new SeenOnions();
  const make = () => {
    const { clock, random: ofNode, self: contact } = old.network.parts;
    const { channel } = old.network.parts.rpc.sessions;
    return new DhtNode({
      ...{ clock, random: ofNode, datagrams: host, streams: host, channel, self: contact, puzzleBits: 0 },
      ...{ kx: { port: 1, ipv4: null, ipv6: null }, hostlist: async () => [] },
      onions: { cipher, own: null, seen },
    });
  };
  const [before, after] = [make(), make()];
  const slot = slotAt(network.clock.now());
  const onion = wrapOnion(cipher, random, [self(old)], Buffer.of(3), slot) as Onion;
  const send = (to: DhtNode) => {
    const request = { kind: 'relay' as const, token: random.bytes(16), onion: onion.bytes };
    return to.privateLookups?.handle(self(at(network, 4)), request, null);
  };
  assert.is(send(before), 'taken');
  before.close();
  assert.is(send(after), 'refused');
  assert.is(after.counters.get('dropOnionReplayed'), 1);
  network.close();
});

test('a leg whose acknowledgement was lost is sent again and passed on once', async () => {
  const network = await privateNetwork('repeat', 12);
  const key = random.bytes(32);
  await network.clock.until(
    at(network, 1).lookups.put({ key, content: Buffer.from('x'), replication: 3, ttlMs: HOUR_MS }),
  );
  const node = at(network, 9);
  let lost = 0;
  network.filter = (from, to, bytes) => {
    // Short sealed datagrams are acknowledgements: every third one is lost.
    if (bytes[0] !== 0x13 || bytes.length > 60) return true;
    lost += 1;
    return from.host === to.host || lost % 3 !== 0;
  };
  for (let i = 0; i < 5; i++) assert.equal(await getAll(network, node, key), [Buffer.from('x')]);
  const replayed = network.nodes.reduce(
    (sum, entry) => sum + entry.node.counters.get('dropOnionReplayed'),
    0,
  );
  assert.is(replayed, 0);
  network.close();
});

test('a flood of onions from one source: tables stay bounded, others are served', async () => {
  const network = await privateNetwork('flood', 12);
  const [attacker, victim] = [at(network, 3), at(network, 4)];
  const cipher = standInOnionCipher(random.bytes(32), random);
  const legs = attacker.privateLookups?.legs;
  const counts = new Map<unknown, number>();
  for (let i = 0; i < 6_000; i++) {
    const kind = i % 2 === 0 ? ('get' as const) : ('probe' as const);
    const payload = encodeExitRequest(kind === 'get' ? { kind, key: random.bytes(32) } : { kind });
    const path = i % 3 === 0 ? [self(victim)] : [self(victim), self(at(network, 5))];
    const onion = wrapOnion(cipher, random, path, payload, slotAt(network.clock.now())) as Onion;
    const verdict = victim.privateLookups?.handle(
      self(attacker),
      { kind: 'relay', token: random.bytes(16), onion: onion.bytes },
      null,
    );
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    if (i % 100 === 0) await network.clock.advance(10);
  }
  assert.ok(legs && (counts.get('busy') ?? 0) > 3_000, `${counts.get('busy')} refused`);
  const { relay, legs: victimLegs } = victim.privateLookups as NonNullable<typeof victim.privateLookups>;
  assert.ok(relay.size.passages <= MAX_PASSAGES_A_SOURCE);
  assert.ok(victimLegs.size <= MAX_LEGS);
  const status = victim.status().privateLookups as { forOthers: { lookupsNow: number } };
  assert.ok(status.forOthers.lookupsNow <= MAX_LOOKUPS);
  assert.ok(victim.counters.get('dropOnionLimit') > 3_000);
  const key = random.bytes(32);
  const node = at(network, 9);
  const item = { key, content: Buffer.from('x'), replication: 3, ttlMs: HOUR_MS };
  assert.is(await network.clock.until(node.lookups.put(item)), 3);
  assert.equal(await getAll(network, node, key), [Buffer.from('x')]);
  await network.clock.advance(120_000);
  await getAll(network, node, key);
  const junk = { kind: 'relay' as const, token: random.bytes(16), onion: random.bytes(ONION_BYTES[0]) };
  victim.privateLookups?.handle(self(attacker), junk, null);
  assert.ok(relay.size.passages < 10, 'forgotten after their time');
  network.close();
});

test('malformed onions, tokens and replies of every kind never throw, and are counted', async () => {
  const network = await privateNetwork('malformed', 8);
  const node = at(network, 3);
  const from = self(at(network, 4));
  const cipher = standInOnionCipher(random.bytes(32), random);
  const sizes = fc.constantFrom(0, 1, 47, 48, 1_349, 1_350, 1_346, 1_351, 8_196, 8_192);
  const token = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(sizes, token, fc.nat({ max: 2 ** 32 - 1 }), (size, one, number) => {
      const private_ = node.privateLookups as NonNullable<typeof node.privateLookups>;
      assert.is.not(
        private_.handle(from, { kind: 'relay', token: one, onion: random.bytes(size) }, null),
        'taken',
      );
      const reply = { kind: 'relayed' as const, token: one, number, body: random.bytes(size) };
      assert.is(private_.handle(from, reply, null), 'refused');
    }),
  );
  // Whatever stands under a valid tag.
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 3, maxLength: 300 }), fc.constantFrom(1, 2), (raw, kind) => {
      const layer = cipher.begin(self(node).key);
      if (!layer) return;
      const plain = Buffer.concat([Buffer.from(raw)], ONION_BYTES[0] - 48);
      plain[0] = kind;
      plain.writeUInt16BE(slotAt(network.clock.now()), 1);
      const body = cipher.stream(layer.keys.forward, 0, plain);
      const onion = Buffer.concat([layer.ephemeral, cipher.tag(layer.keys.tag, body), body]);
      node.privateLookups?.handle(from, { kind: 'relay', token: random.bytes(16), onion }, null);
    }),
  );
  await network.clock.advance(5_000);
  assert.ok(node.counters.get('dropOnion') > 0);
  assert.ok(node.counters.get('dropReply') > 0);
  for (const entry of network.nodes) assert.is(entry.node.counters.get('internalErrors'), 0);
  network.close();
});

test('an onion that leads back to its sender, to the hop itself or to nowhere goes no further', async () => {
  const network = await privateNetwork('circles', 8);
  const [node, from] = [at(network, 3), at(network, 4)];
  const cipher = standInOnionCipher(random.bytes(32), random);
  const payload = encodeExitRequest({ kind: 'probe' });
  const nowhere = { ...self(at(network, 5)), ipv4: null, ipv6: null };
  const multicast = { ...self(at(network, 5)), ipv4: '224.0.0.1' };
  const stale = { ...self(at(network, 5)), proof: { epoch: 1, nonce: Buffer.alloc(8) } };
  const relayed = node.counters.get('onionsRelayed');
  for (const next of [self(from), self(node), nowhere, multicast, stale]) {
    const slot = slotAt(network.clock.now());
    const onion = wrapOnion(cipher, random, [self(node), next], payload, slot) as Onion;
    const relay = { kind: 'relay' as const, token: random.bytes(16), onion: onion.bytes };
    assert.is(node.privateLookups?.handle(self(from), relay, null), 'refused');
  }
  assert.is(node.counters.get('dropOnion'), 5);
  assert.is(node.counters.get('onionsRelayed'), relayed);
  network.close();
});

test('an onion that names a node with a wrong address does not push it out of the table of the hop', async () => {
  const network = await privateNetwork('wrong address', 8);
  const [node, from, victim] = [at(network, 3), at(network, 4), at(network, 5)];
  const cipher = standInOnionCipher(random.bytes(32), random);
  const wrong = { ...self(victim), ipv4: '10.9.9.9', key: random.bytes(32) };
  for (let i = 0; i < 5; i++) {
    const slot = slotAt(network.clock.now());
    const onion = wrapOnion(cipher, random, [self(node), wrong], Buffer.of(3), slot) as Onion;
    const relay = { kind: 'relay' as const, token: random.bytes(16), onion: onion.bytes };
    assert.is(node.privateLookups?.handle(self(from), relay, null), 'taken');
    await network.clock.advance(6_000);
  }
  assert.ok(node.network.parts.table.get(self(victim)));
  network.close();
});

test('replies count only from the node that the onion went to', async () => {
  const network = await privateNetwork('forged reply', 8);
  const node = at(network, 3);
  const replies: unknown[] = [];
  const tokens: Buffer[] = [];
  const { legs } = node.privateLookups as NonNullable<typeof node.privateLookups>;
  const hop = at(network, 4);
  const { handle } = hop.privateLookups as NonNullable<typeof hop.privateLookups>;
  Object.assign(hop.privateLookups as object, {
    handle: (...args: Parameters<typeof handle>) => {
      if (args[1].kind === 'relay') tokens.push(args[1].token);
      return handle.apply(hop.privateLookups, args);
    },
  });
  legs.forward(self(hop), random.bytes(ONION_BYTES[0]), {
    onReply: (reply) => replies.push(reply),
    onVerdict: () => {},
  });
  await network.clock.advance(100);
  const token = tokens[0] as Buffer;
  const reply = { kind: 'relayed' as const, token, number: 5, body: random.bytes(ONION_BYTES[0] - 4) };
  assert.is(legs.handle(self(at(network, 6)), reply, null), 'refused');
  assert.is(legs.handle(self(hop), { ...reply, token: random.bytes(16) }, null), 'refused');
  assert.equal(replies, []);
  assert.is(legs.handle(self(hop), reply, null), 'taken');
  assert.is(legs.handle(self(hop), reply, null), 'taken');
  assert.is(replies.length, 1);
  // More than any key holds: the rest is refused.
  let taken = 0;
  for (let number = 6; number < 200; number++) {
    const large = { ...reply, number, body: random.bytes(ONION_BYTES[2] - 4) };
    if (legs.handle(self(hop), large, null) === 'taken') taken += 1;
  }
  assert.is(taken, Math.floor((MAX_LEG_BYTES - ONION_BYTES[0]) / (ONION_BYTES[2] - 4)));
  await network.clock.advance(70_000);
  assert.is(legs.handle(self(hop), { ...reply, number: 6 }, null), 'refused', 'the leg is forgotten');
  network.close();
});

test('a node behind that floods with replies and one in front that acknowledges none: the relay still sends its own', async () => {
  const network = await privateNetwork('back-pressure', 12);
  const [relay, front, behind] = [at(network, 3), at(network, 4), at(network, 5)];
  const cipher = standInOnionCipher(random.bytes(32), random);
  const tokens: Buffer[] = [];
  Object.assign(behind.privateLookups as object, {
    handle: (_from: Contact, request: { token: Buffer }) => {
      tokens.push(request.token);
      return 'taken';
    },
  });
  const { legs } = relay.privateLookups as NonNullable<typeof relay.privateLookups>;
  const PASSAGES = 20;
  for (let i = 0; i < PASSAGES; i++) {
    const slot = slotAt(network.clock.now());
    const onion = wrapOnion(cipher, random, [self(relay), self(behind)], Buffer.of(3), slot) as Onion;
    const request = { kind: 'relay' as const, token: random.bytes(16), onion: onion.bytes };
    assert.is(legs.handle(self(front), request, null), 'taken');
  }
  await network.clock.advance(100);
  assert.is(tokens.length, PASSAGES);
  (network.nodes[4] as VirtualNode).silent = true;
  let number = 0;
  const flood = () => {
    let taken = 0;
    for (const token of tokens) {
      for (let i = 0; i < 300; i++) {
        const body = random.bytes(ONION_BYTES[0] - 4);
        number += 1;
        if (legs.handle(self(behind), { kind: 'relayed', token, number, body }, null) === 'taken') taken += 1;
      }
    }
    return taken;
  };
  flood();
  const { rpc } = relay.network.parts;
  assert.ok(rpc.pendingCount <= PASSAGES * 8 + 20, `${rpc.pendingCount} pending`);
  await network.clock.advance(10_000);
  assert.is(flood(), 0, 'a passage whose way back is broken is over');
  assert.ok(rpc.pendingCount < 20);
  network.close();
});

test('replies to an onion that came over a stream go where the stream came from, not to an address of its maker’s choice', async () => {
  const network = await privateNetwork('reflection', 8);
  const victim = '10.99.0.1';
  network.announced = victim;
  const attacker = network.add();
  await network.clock.advance(30_000);
  const hop = network.nodes[3] as VirtualNode;
  let toVictim = 0;
  network.filter = (from, to) => {
    if (from.host === hop.endpoint.host && to.host === victim) toVictim += 1;
    return true;
  };
  const cipher = standInOnionCipher(random.bytes(32), random);
  const slot = slotAt(network.clock.now());
  const probe = Buffer.alloc(2_000, 3);
  const onion = wrapOnion(cipher, random, [self(hop.node)], probe, slot) as Onion;
  assert.is(onion.bytes.length, ONION_BYTES[1]);
  let replies = 0;
  attacker.node.privateLookups?.legs.forward(self(hop.node), onion.bytes, {
    onReply: () => void replies++,
    onVerdict: () => {},
  });
  await network.clock.advance(10_000);
  assert.is(replies, 1);
  assert.is(toVictim, 0);
  network.close();
});

test('the contact in an onion takes its place whatever addresses it has', () => {
  for (const ipv4 of [null, '1.2.3.4']) {
    for (const ipv6 of [null, '2001:db8::7']) {
      const contact = { ...{ id: '', identity: random.bytes(32), key: random.bytes(32) }, ipv4, ipv6 };
      const writer = new ByteWriter();
      writeContact(writer, { ...contact, proof: { epoch: 1, nonce: random.bytes(8) }, port: 1 });
      assert.ok(writer.length <= 97);
    }
  }
});

test.run();
