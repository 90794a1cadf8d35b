import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contactBytes, type UnverifiedContact } from '../../../src/dht/contact.js';
import { decodeDatagram, helloDatagram, sealedHeader, welcomeDatagram } from '../../../src/dht/datagram.js';
import { decodeFirst, decodeSecond, encodeFirst, encodeSecond } from '../../../src/dht/handshake-payload.js';
import { decodeRpc, encodeRpc, fitFound, type RpcMessage } from '../../../src/dht/rpc-message.js';
import { CERTIFICATE_BYTES } from '../../../src/dht/secure-channel.js';
import { FrameReader, frame, MAX_FRAME_BYTES } from '../../../src/dht/stream-frames.js';

const test = suite('dht messages');

/** Records with the usual prototype, so that they compare equal to what decoders make. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true });
const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));
const upTo = (length: number) => fc.uint8Array({ maxLength: length }).map((b) => Buffer.from(b));
const u32 = fc.nat({ max: 0xffff_ffff });
const u16 = fc.nat({ max: 0xffff });
const u8 = fc.nat({ max: 255 });
const ipv4 = fc.tuple(u8, u8, u8, u8).map((parts) => parts.join('.'));
const ipv6 = fc.constantFrom('::1', '2001:db8::7', 'fe80::1:2:3:4', '2001:db8:1:2:3:4:5:6');

const contact: fc.Arbitrary<UnverifiedContact> = fc
  .record({
    identity: bytes(32),
    key: bytes(32),
    proof: plain({ epoch: u16, nonce: bytes(8) }),
    ipv4: fc.option(ipv4),
    ipv6: fc.option(ipv6),
    port: fc.integer({ min: 1, max: 65_535 }),
  })
  .map((fields) => ({ id: fields.identity.toString('hex'), ...fields }));

// All zero bytes mean "no address" (wire formats), so an address has a first byte that is not zero.
const address = (length: number) =>
  bytes(length).map((b) => {
    b[0] = (b[0] as number) | 1;
    return b;
  });
const kx = plain({ port: u16, ipv4: fc.option(address(4)), ipv6: fc.option(address(16)) });

const message: fc.Arbitrary<RpcMessage> = fc.oneof(
  fc.constantFrom<RpcMessage>({ kind: 'ping' }, { kind: 'pong' }, { kind: 'end' }),
  plain({
    kind: fc.constant('find' as const),
    key: bytes(32),
    wantValues: fc.boolean(),
    wantKx: fc.boolean(),
  }),
  plain({
    kind: fc.constant('store' as const),
    key: bytes(32),
    ttlMs: u32,
    replication: u8,
    content: upTo(200),
  }),
  plain({
    kind: fc.constant('offer' as const),
    key: bytes(32),
    ttlMs: u32,
    replication: u8,
    size: u32,
    contentHash: bytes(32),
  }),
  plain({
    kind: fc.constant('fetch' as const),
    key: bytes(32),
    held: fc.array(plain({ hash: bytes(32), bytes: fc.nat(0xffff_ffff) }), { maxLength: 4 }),
  }),
  plain({ kind: fc.constant('relay' as const), token: bytes(16), onion: upTo(200) }),
  plain({ kind: fc.constant('relayed' as const), token: bytes(16), number: u32, body: upTo(200) }),
  plain({
    kind: fc.constant('taken' as const),
    verdict: fc.constantFrom('taken' as const, 'busy' as const, 'refused' as const),
  }),
  plain({
    kind: fc.constant('stored' as const),
    verdict: fc.constantFrom(
      'stored' as const,
      'wanted' as const,
      'full' as const,
      'stale' as const,
      'refused' as const,
    ),
  }),
  plain({
    kind: fc.constant('part' as const),
    ...{ hash: bytes(32), totalBytes: fc.nat(0xffff_ffff), offset: fc.nat(0xffff_ffff), bytes: upTo(200) },
  }),
  plain({
    kind: fc.constant('found' as const),
    moreContacts: fc.boolean(),
    moreValues: fc.boolean(),
    kx: fc.option(kx),
    valuesDigest: fc.option(bytes(16)),
    contacts: fc.array(contact, { maxLength: 20 }),
    values: fc.array(upTo(60), { maxLength: 5 }),
  }),
);

test('property: every message comes back as it was', () => {
  fc.assert(
    fc.property(message, u32, (one, requestId) => {
      assert.equal(decodeRpc(encodeRpc({ requestId, message: one })), { requestId, message: one });
    }),
    { numRuns: 500 },
  );
});

test('property: every cut or lengthened message decodes to null or to a message, never to an exception', () => {
  fc.assert(
    fc.property(message, u16, upTo(4), (one, cut, tail) => {
      const encoded = encodeRpc({ requestId: 1, message: one });
      decodeRpc(encoded.subarray(0, cut % (encoded.length + 1)));
      decodeRpc(Buffer.concat([encoded, tail]));
    }),
    { numRuns: 500 },
  );
});

test('property: arbitrary bytes never throw in any decoder', () => {
  const tagged = fc
    .tuple(fc.constantFrom(0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x20, 0x21, 0x22, 0x24, 0x25), upTo(1_500))
    .map(([tag, rest]) => Buffer.concat([Buffer.of(tag), rest]));
  fc.assert(
    fc.property(fc.oneof(upTo(1_500), tagged), (junk) => {
      for (const decode of [decodeRpc, decodeDatagram, decodeFirst, decodeSecond]) decode(junk);
      new FrameReader().push(junk);
    }),
    { numRuns: 3_000 },
  );
});

test('property: an answer that was fitted fits, values first, and says what is missing', () => {
  fc.assert(
    fc.property(
      fc.array(contact, { maxLength: 25 }),
      fc.array(upTo(400), { maxLength: 4 }),
      fc.option(kx),
      fc.integer({ min: 60, max: 1_371 }),
      (contacts, values, kxAddress, budget) => {
        const found = fitFound(
          { kx: kxAddress, valuesDigest: null, closest: (count) => contacts.slice(0, count), values },
          budget,
        );
        assert.ok(encodeRpc({ requestId: 0, message: found }).length <= budget);
        assert.is(found.moreContacts, found.contacts.length < contacts.length);
        assert.is(found.moreValues, found.values.length < values.length);
        assert.equal(found.values, values.slice(0, found.values.length));
      },
    ),
  );
});

test('handshake payloads come back; the first one is padded to the exact size', () => {
  fc.assert(
    fc.property(contact, upTo(60), fc.boolean(), (self, request, holdsCertificate) => {
      const certificate = Buffer.alloc(CERTIFICATE_BYTES, 7);
      const encoded = encodeFirst({ holdsCertificate, contact: self, certificate, request }, 1_299);
      assert.is(encoded?.length, 1_299);
      assert.equal(decodeFirst(encoded as Buffer), { holdsCertificate, contact: self, certificate, request });
      assert.is(encodeFirst({ holdsCertificate, contact: self, certificate, request }, 1_100), null);
      for (const one of [certificate, null]) {
        assert.equal(decodeSecond(encodeSecond({ certificate: one, answer: request })), {
          certificate: one,
          answer: request,
        });
      }
    }),
  );
});

test('a welcome is never longer than the hello it answers', () => {
  fc.assert(
    fc.property(contact, bytes(8), (self, token) => {
      const hello = helloDatagram(token);
      const welcome = welcomeDatagram(token, self);
      assert.ok(welcome.length <= hello.length);
      assert.equal(decodeDatagram(hello), { type: 'hello', token });
      assert.equal(decodeDatagram(welcome), { type: 'welcome', token, contact: self });
      assert.is(contactBytes(self), welcome.length - 9);
    }),
  );
});

test('a sealed datagram carries session and counter up to 2^53', () => {
  for (const counter of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const header = sealedHeader(-2, counter);
    assert.equal(header.subarray(1, 5), Buffer.of(0xff, 0xff, 0xff, 0xfe));
    const body = Buffer.from('body');
    const datagram = decodeDatagram(Buffer.concat([header, body]));
    assert.equal(datagram, { type: 'sealed', to: -2, counter, header, body });
  }
  assert.is(decodeDatagram(Buffer.alloc(20, 0xff)), null);
});

test('property: frames come back however the stream is cut; too long ones are refused', () => {
  fc.assert(
    fc.property(fc.array(upTo(50), { maxLength: 6 }), fc.integer({ min: 1, max: 40 }), (bodies, cut) => {
      const stream = Buffer.concat(bodies.map(frame));
      const reader = new FrameReader();
      const out: Buffer[] = [];
      for (let at = 0; at < stream.length; at += cut)
        out.push(...(reader.push(stream.subarray(at, at + cut)) ?? []));
      assert.equal(out, bodies);
    }),
  );
  const head = Buffer.alloc(4);
  head.writeUInt32BE(MAX_FRAME_BYTES + 1);
  assert.is(new FrameReader().push(head), null);
});

test.run();
