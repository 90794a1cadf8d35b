import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ikKey } from '../../../src/engine/ik-handshake.js';
import { createNoiseKeyPair } from '../../../src/identity/noise-keys.js';
import { ReferenceIk } from '../../support/reference-noise.js';

const test = suite('native Noise IK');
const prologue = Buffer.from('test');
const alice = createNoiseKeyPair();
const bob = createNoiseKeyPair();
const [question, answer] = [randomBytes(1_299), randomBytes(1_343)];

const keysOf = (bytes: Buffer | null | undefined) => ({
  sendKey: bytes?.subarray(0, 32),
  receiveKey: bytes?.subarray(32, 64),
  rest: bytes?.subarray(64) as Buffer,
});

test('it understands another implementation of the same protocol, as initiator', () => {
  const initiation = ikKey(alice.secretKey).initiate(prologue, bob.publicKey, question);
  const responder = new ReferenceIk({ role: 'responder', keyPair: bob, prologue });
  assert.equal(responder.read(initiation?.takeMessage() as Buffer), question);
  assert.equal(responder.remoteKey, alice.publicKey);
  const { sendKey, receiveKey, rest } = keysOf(initiation?.finish(responder.write(answer)));
  assert.equal(rest, answer);
  assert.equal(sendKey, responder.keys.receiveKey);
  assert.equal(receiveKey, responder.keys.sendKey);
});

test('it understands another implementation of the same protocol, as responder', () => {
  const remoteKey = bob.publicKey;
  const initiator = new ReferenceIk({ role: 'initiator', keyPair: alice, prologue, remoteKey });
  const reception = ikKey(bob.secretKey).respond(prologue, initiator.write(question));
  assert.equal(reception?.opened(), Buffer.concat([alice.publicKey, question]));
  const { sendKey, receiveKey, rest } = keysOf(reception?.reply(answer));
  assert.equal(initiator.read(rest), answer);
  assert.equal(sendKey, initiator.keys.receiveKey);
  assert.equal(receiveKey, initiator.keys.sendKey);
});

test('each step is done once', () => {
  const initiation = ikKey(alice.secretKey).initiate(prologue, bob.publicKey, question);
  const reception = ikKey(bob.secretKey).respond(prologue, initiation?.takeMessage() as Buffer);
  const second = keysOf(reception?.reply(answer)).rest;
  assert.is(reception?.reply(answer), null);
  assert.is(reception?.opened(), null);
  assert.ok(initiation?.finish(second));
  assert.is(initiation?.finish(second), null);
});

test('another key, another prologue, an unusable key and what is too long are refused', () => {
  const first = () =>
    ikKey(alice.secretKey).initiate(prologue, bob.publicKey, question)?.takeMessage() as Buffer;
  assert.is(ikKey(alice.secretKey).respond(prologue, first()), null);
  assert.is(ikKey(bob.secretKey).respond(Buffer.from('other'), first()), null);
  assert.is(ikKey(alice.secretKey).initiate(prologue, Buffer.alloc(32), question), null);
  assert.is(ikKey(alice.secretKey).initiate(prologue, Buffer.alloc(31), question), null);
  assert.is(ikKey(alice.secretKey).initiate(prologue, bob.publicKey, Buffer.alloc(70_000)), null);
  assert.throws(() => ikKey(Buffer.alloc(31)));
});

test('what is given is not altered', () => {
  const initiation = ikKey(alice.secretKey).initiate(prologue, bob.publicKey, question);
  const first = initiation?.takeMessage() as Buffer;
  const reception = ikKey(bob.secretKey).respond(prologue, first);
  const { rest: second } = keysOf(reception?.reply(answer));
  const copies = [first, second, question, answer, prologue].map((bytes) => Buffer.from(bytes));
  ikKey(bob.secretKey).respond(prologue, first);
  initiation?.finish(second);
  assert.equal([first, second, question, answer, prologue], copies);
});

test('property: a single altered byte of either message is noticed', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (index, flip, inFirst) => {
      const initiation = ikKey(alice.secretKey).initiate(prologue, bob.publicKey, question);
      const first = initiation?.takeMessage() as Buffer;
      const { rest: second } = inFirst
        ? { rest: first }
        : keysOf(ikKey(bob.secretKey).respond(prologue, first)?.reply(answer));
      const altered = Buffer.from(second);
      const at = index % altered.length;
      altered[at] = (altered[at] as number) ^ flip;
      const taken = inFirst ? ikKey(bob.secretKey).respond(prologue, altered) : initiation?.finish(altered);
      assert.is(taken, null, `byte ${at}`);
    }),
    { numRuns: 200 },
  );
});

test('property: arbitrary bytes are refused', () => {
  const own = ikKey(bob.secretKey);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.is(own.respond(prologue, Buffer.from(bytes)), null);
      assert.is(own.initiate(prologue, alice.publicKey, question)?.finish(Buffer.from(bytes)), null);
    }),
    { numRuns: 100 },
  );
});

test.run();
