/** Role: the API codecs against golden vectors and for all inputs. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_CONTENT_BYTES, MAX_TRACE_HOPS } from '../../../src/wire/dht.js';
import {
  type ApiMessage,
  decodeMessage,
  encodeMessage,
  type PeerAddress,
} from '../../../src/wire/message.js';

interface Vector {
  readonly comment: string;
  readonly frame: string;
  readonly valid: boolean;
  readonly canonical?: boolean;
  readonly message?: unknown;
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../../../../test/vectors/api-messages.json', import.meta.url), 'utf8'),
) as { vectors: Vector[] };

const HEX_FIELDS = new Set(['key', 'content', 'identity', 'pseudoIdentity', 'ipv4', 'ipv6', 'extension']);

const toPlain = (message: ApiMessage): unknown =>
  JSON.parse(
    JSON.stringify(message, (_, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data as number[]).toString('hex') : value,
    ),
  );
const fromPlain = (plain: unknown): ApiMessage =>
  JSON.parse(JSON.stringify(plain), (name, value) =>
    HEX_FIELDS.has(name) && typeof value === 'string' ? Buffer.from(value, 'hex') : value,
  ) as ApiMessage;

const golden = suite('golden vectors');
for (const { comment, frame, valid, canonical, message } of vectors) {
  golden(comment, () => {
    const decoded = decodeMessage(Buffer.from(frame, 'hex'));
    assert.is(decoded.ok, valid);
    if (decoded.ok) assert.equal(toPlain(decoded.message), message);
    else assert.ok(decoded.violation.length > 0);
    if (canonical === true) assert.is(encodeMessage(fromPlain(message)).toString('hex'), frame);
  });
}
golden('every type has a valid and an invalid vector', () => {
  for (const type of [500, 501, 502, 503, 504, 505, 600, 601, 602, 603, 604]) {
    const own = vectors.filter(({ frame }) => Number.parseInt(frame.slice(4, 8), 16) === type);
    assert.ok(own.some(({ valid }) => valid) && own.some(({ valid }) => !valid), `type ${type}`);
  }
});
golden.run();

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));
const upTo = (length: number) => fc.uint8Array({ maxLength: length }).map((b) => Buffer.from(b));
const family = (length: number) => fc.option(bytes(length).filter((b) => b.some((byte) => byte !== 0)));
const u16 = fc.integer({ min: 0, max: 0xffff });
const u8 = fc.integer({ min: 0, max: 0xff });
const address: fc.Arbitrary<PeerAddress> = fc.record({
  identity: bytes(32),
  kxPort: u16,
  ipv4: family(4),
  ipv6: family(16),
});
const is = <T extends string>(type: T) => fc.constant(type);
const anyMessage: fc.Arbitrary<ApiMessage> = fc.oneof(
  fc.record({ type: is('dht-put'), key: bytes(32), ttlSeconds: u16, replication: u8, content: upTo(300) }),
  fc.record({ type: is('dht-get'), key: bytes(32) }),
  fc.record({ type: is('dht-trace'), key: bytes(32) }),
  fc.record({ type: is('dht-get-reply'), key: bytes(32), content: upTo(300) }),
  fc.record({ type: is('dht-trace-reply'), key: bytes(32), hops: fc.array(address, { maxLength: 8 }) }),
  fc.record({ type: is('dht-error'), requestType: u16, key: bytes(32) }),
  fc.record({
    type: fc.constantFrom('kx-build-incoming' as const, 'kx-build-outgoing' as const),
    hops: u8,
    pseudoIdentity: bytes(32),
    exchangePoint: address,
    extension: upTo(200),
  }),
  fc.record({ type: is('kx-ready'), pseudoIdentity: bytes(32), ipv4: bytes(4), ipv6: bytes(16) }),
  fc.record({ type: is('kx-destroy'), pseudoIdentity: bytes(32) }),
  fc.record({ type: is('kx-error'), requestType: u16, pseudoIdentity: bytes(32) }),
);

const properties = suite('properties');
properties('what is encoded is decoded to the same message', () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      const decoded = decodeMessage(encodeMessage(message));
      assert.ok(decoded.ok);
      assert.equal(toPlain(decoded.message), toPlain(message));
    }),
  );
});
properties('arbitrary bytes give a message or a violation, never an exception', () => {
  const types = fc.constantFrom(0, 499, 500, 501, 502, 503, 504, 505, 506, 600, 601, 602, 603, 604, 605);
  const framed = fc.tuple(types, upTo(200)).map(([type, body]) => {
    const frame = Buffer.concat([Buffer.alloc(4), body]);
    frame.writeUInt16BE(frame.length, 0);
    frame.writeUInt16BE(type, 2);
    return frame;
  });
  fc.assert(
    fc.property(fc.oneof(upTo(200), framed), (frame) => {
      const decoded = decodeMessage(frame);
      if (decoded.ok) assert.is(encodeMessage(decoded.message).length, frame.length);
    }),
    { numRuns: 2_000 },
  );
});
properties('a message does not share memory with the frame it came from', () => {
  const frame = encodeMessage({
    type: 'dht-get-reply',
    key: Buffer.alloc(32, 1),
    content: Buffer.from('abc'),
  });
  const decoded = decodeMessage(frame);
  frame.fill(0xff);
  assert.ok(decoded.ok && decoded.message.type === 'dht-get-reply');
  assert.is(decoded.message.content.toString(), 'abc');
  assert.equal(decoded.message.key, Buffer.alloc(32, 1));
});
properties.run();

const limits = suite('limits');
const key = Buffer.alloc(32);
const put = (content: Buffer): ApiMessage => ({
  type: 'dht-put',
  key,
  ttlSeconds: 1,
  replication: 1,
  content,
});
limits('a PUT carries 65 491 bytes and not one more', () => {
  assert.is(MAX_CONTENT_BYTES, 65_491);
  assert.is(encodeMessage(put(Buffer.alloc(65_491))).length, 65_535);
  assert.throws(
    () => encodeMessage(put(Buffer.alloc(65_492))),
    (error: unknown) => error instanceof RangeError,
  );
});
limits('a TRACE REPLY carries as many hops as fit', () => {
  const hop: PeerAddress = { identity: key, kxPort: 1, ipv4: null, ipv6: null };
  const reply = (n: number): ApiMessage => ({
    type: 'dht-trace-reply',
    key,
    hops: Array.from({ length: n }, () => hop),
  });
  assert.ok(decodeMessage(encodeMessage(reply(MAX_TRACE_HOPS))).ok);
  assert.throws(() => encodeMessage(reply(MAX_TRACE_HOPS + 1)));
});
limits('fields that do not fit their place are refused', () => {
  const wrong: ApiMessage[] = [
    { type: 'dht-get', key: Buffer.alloc(31) },
    { type: 'dht-put', key, ttlSeconds: 65_536, replication: 0, content: key },
    { type: 'dht-put', key, ttlSeconds: 0, replication: 256, content: key },
    { type: 'dht-put', key, ttlSeconds: 0.5, replication: 1, content: key },
    { type: 'dht-error', key, requestType: -1 },
    { type: 'kx-ready', pseudoIdentity: key, ipv4: Buffer.alloc(5), ipv6: Buffer.alloc(16) },
    { type: 'kx-destroy', pseudoIdentity: Buffer.alloc(33) },
    { type: 'dht-trace-reply', key, hops: [{ identity: key, kxPort: 65_536, ipv4: null, ipv6: null }] },
  ];
  for (const message of wrong) {
    assert.throws(
      () => encodeMessage(message),
      (error: unknown) => error instanceof RangeError,
      JSON.stringify(message.type),
    );
  }
});
limits.run();
