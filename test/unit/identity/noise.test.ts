import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../src/errors.js';
import {
  createNoiseKeyPair,
  deriveKey,
  NoiseHandshake,
  type NoiseKeyPair,
  noiseKeyPairOf,
} from '../../../src/identity/noise.js';

const test = suite('noise handshakes');
const prologue = Buffer.from('test');
const alice = createNoiseKeyPair();
const bob = createNoiseKeyPair();

function pair(pattern: 'IK' | 'XK', remoteKey = bob.publicKey, bobs: NoiseKeyPair = bob, other = prologue) {
  return {
    initiator: new NoiseHandshake({ pattern, role: 'initiator', keyPair: alice, prologue, remoteKey }),
    responder: new NoiseHandshake({ pattern, role: 'responder', keyPair: bobs, prologue: other }),
  };
}

function failsAsNoise(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof PeerError);
    assert.is((error as PeerError).code, 'noise-failed');
    return;
  }
  assert.unreachable('it should have failed');
}

test('IK: payloads arrive in one round trip and both ends have the same keys, crossed', () => {
  const { initiator, responder } = pair('IK');
  assert.equal(responder.read(initiator.write(Buffer.from('question'))), Buffer.from('question'));
  assert.equal(responder.remoteKey, alice.publicKey);
  assert.equal(initiator.read(responder.write(Buffer.from('answer'))), Buffer.from('answer'));
  assert.ok(initiator.complete && responder.complete);
  assert.equal(initiator.result.sendKey, responder.result.receiveKey);
  assert.equal(initiator.result.receiveKey, responder.result.sendKey);
  assert.not.equal(initiator.result.sendKey, initiator.result.receiveKey);
  assert.equal(initiator.result.handshakeHash, responder.result.handshakeHash);
  assert.equal(initiator.result.remoteKey, bob.publicKey);
});

test('XK: three messages, and the responder learns the initiator in the third', () => {
  const { initiator, responder } = pair('XK');
  responder.read(initiator.write());
  assert.is(responder.remoteKey, null);
  initiator.read(responder.write());
  assert.equal(responder.read(initiator.write(Buffer.from('hello'))), Buffer.from('hello'));
  assert.equal(responder.result.remoteKey, alice.publicKey);
  assert.equal(initiator.result.sendKey, responder.result.receiveKey);
});

test('a handshake meant for another key, or with another prologue, fails', () => {
  const wrongKey = pair('IK', createNoiseKeyPair().publicKey);
  failsAsNoise(() => wrongKey.responder.read(wrongKey.initiator.write()));
  const wrongPrologue = pair('IK', bob.publicKey, bob, Buffer.from('other'));
  failsAsNoise(() => wrongPrologue.responder.read(wrongPrologue.initiator.write()));
});

test('a key of small order and keys of wrong length are refused', () => {
  failsAsNoise(() => pair('IK', Buffer.alloc(32)).initiator.write());
  failsAsNoise(() => pair('IK', Buffer.alloc(31)));
});

test('after a failure, and after the end, nothing goes on', () => {
  const { initiator, responder } = pair('IK');
  const message = initiator.write();
  failsAsNoise(() => responder.read(Buffer.alloc(200)));
  failsAsNoise(() => responder.read(message));
  const good = pair('IK');
  failsAsNoise(() => good.initiator.result);
  good.responder.read(good.initiator.write());
  good.initiator.read(good.responder.write());
  failsAsNoise(() => good.initiator.write());
});

test('messages that the caller gives are not altered', () => {
  const { initiator, responder } = pair('IK');
  const first = initiator.write();
  const copy = Buffer.from(first);
  responder.read(first);
  const second = responder.write();
  const secondCopy = Buffer.from(second);
  initiator.read(second);
  assert.equal(first, copy);
  assert.equal(second, secondCopy);
});

test('property: arbitrary bytes fail as noise-failed and never otherwise', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom('IK' as const, 'XK' as const),
      (bytes, pattern) => {
        failsAsNoise(() => pair(pattern).responder.read(Buffer.from(bytes)));
      },
    ),
    { numRuns: 100 },
  );
});

test('property: any single altered byte of the first message is noticed at the latest in the second', () => {
  fc.assert(
    fc.property(fc.nat({ max: 111 }), fc.integer({ min: 1, max: 255 }), (index, flip) => {
      const { initiator, responder } = pair('IK');
      const message = initiator.write(Buffer.alloc(16));
      message[index] = (message[index] as number) ^ flip;
      // The top bit of an X25519 point is ignored by the curve, but not by the transcript hash.
      failsAsNoise(() => responder.read(message));
    }),
    { numRuns: 60 },
  );
});

test('labels give independent sub-keys, the same each time', () => {
  const secret = Buffer.alloc(32, 1);
  assert.equal(deriveKey(secret, 'a'), deriveKey(secret, 'a'));
  assert.not.equal(deriveKey(secret, 'a'), deriveKey(secret, 'b'));
  assert.is(deriveKey(secret, 'a').length, 32);
  assert.equal(noiseKeyPairOf(alice.secretKey).publicKey, alice.publicKey);
});

test.run();
