/** The control connection over real TCP on loopback. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { ControlChannel } from '../../../src/voip/control-channel.js';
import type { ControlMessage } from '../../../src/voip/control-message.js';

const test = suite('control channel');
const alice = generatePseudoIdentity();
const bob = generatePseudoIdentity();

async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [other] = await accepted;
  server.close();
  return [socket, other];
}

async function channels(): Promise<[ControlChannel, ControlChannel]> {
  const [left, right] = await pair();
  return Promise.all([
    ControlChannel.call(left, alice, bob.publicKey),
    ControlChannel.answer(right, [generatePseudoIdentity(), bob]),
  ]);
}

function nextMessage(channel: ControlChannel): Promise<ControlMessage> {
  return new Promise((resolve) => {
    channel.listen({ onMessage: resolve, onClose: () => {} });
  });
}

test('both sides prove who they are and agree on keys, whichever identity is meant', async () => {
  const [caller, callee] = await channels();
  assert.ok(caller.remote.equals(bob.publicKey) && callee.local.equals(bob.publicKey));
  assert.ok(callee.remote.equals(alice.publicKey));
  assert.ok(caller.voiceKeys.sendKey.equals(callee.voiceKeys.receiveKey));
  assert.ok(caller.voiceKeys.receiveKey.equals(callee.voiceKeys.sendKey));
  assert.not(caller.voiceKeys.sendKey.equals(caller.voiceKeys.receiveKey));
  assert.is(caller.voiceKeys.sendKey.length, 28);
  const heard = nextMessage(callee);
  caller.send({ type: 'invite', call: '0'.repeat(32), voicePort: 4000 });
  assert.equal(await heard, { type: 'invite', call: '0'.repeat(32), voicePort: 4000 });
  const answer = nextMessage(caller);
  callee.send({ type: 'ringing' });
  assert.equal(await answer, { type: 'ringing' });
  caller.end();
  callee.end();
});

test('whoever is not the one that was dialled cannot answer', async () => {
  const [left, right] = await pair();
  const results = await Promise.allSettled([
    ControlChannel.call(left, alice, bob.publicKey),
    ControlChannel.answer(right, [generatePseudoIdentity()]),
  ]);
  assert.equal(
    results.map((result) => result.status === 'rejected' && result.reason.code),
    ['call-handshake', 'call-handshake'],
  );
});

test('a caller cannot name a pseudo-identity that it does not hold', async () => {
  const [left, right] = await pair();
  const liar = { publicKey: generatePseudoIdentity().publicKey, secretKey: alice.secretKey };
  const [, answered] = await Promise.allSettled([
    ControlChannel.call(left, liar, bob.publicKey),
    ControlChannel.answer(right, [bob]),
  ]);
  assert.ok(answered.status === 'rejected' && answered.reason.code === 'call-handshake');
});

test('an altered frame ends the channel', async () => {
  const [left, middleLeft] = await pair();
  const [middleRight, right] = await pair();
  let alter = false;
  middleLeft.on('data', (chunk) => {
    const last = chunk.length - 1;
    if (alter) chunk[last] = (chunk[last] ?? 0) ^ 1;
    middleRight.write(chunk);
  });
  middleRight.on('data', (chunk) => middleLeft.write(chunk));
  for (const socket of [middleLeft, middleRight]) socket.on('error', () => {});
  const [caller, callee] = await Promise.all([
    ControlChannel.call(left, alice, bob.publicKey),
    ControlChannel.answer(right, [bob]),
  ]);
  alter = true;
  const closed = new Promise<void>((resolve) => {
    callee.listen({
      onMessage: () => assert.unreachable('an altered message was delivered'),
      onClose: resolve,
    });
  });
  caller.send({ type: 'hangup' });
  await closed;
  for (const socket of [left, middleLeft, middleRight]) socket.destroy();
});

test('what arrives before anybody listens is not lost, nor is the end', async () => {
  const [caller, callee] = await channels();
  for (const voicePort of [1, 2, 3]) caller.send({ type: 'invite', call: '0'.repeat(32), voicePort });
  const last = nextMessage(caller);
  caller.send({ type: 'ping', number: 1 });
  callee.send({ type: 'pong', number: 1 });
  await last;
  caller.end();
  const heard: string[] = [];
  await new Promise<void>((resolve) => {
    callee.listen({ onMessage: (message) => heard.push(message.type), onClose: resolve });
  });
  assert.equal(heard, ['invite', 'invite', 'invite', 'ping']);
});

test('a party that asks without reading the answers loses the connection', async () => {
  const [left, right] = await pair();
  const [caller, callee] = await Promise.all([
    ControlChannel.call(left, alice, bob.publicKey),
    ControlChannel.answer(right, [bob]),
  ]);
  left.pause();
  const closed = new Promise<void>((resolve) => {
    callee.listen({ onMessage: () => {}, onClose: resolve });
  });
  while (!right.destroyed) {
    callee.send({ type: 'ping', number: 1 });
    if (right.writableLength === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  caller.end();
});

test('after its end a channel keeps no keys, says nothing and hears nothing', async () => {
  const [caller, callee] = await channels();
  const heard: string[] = [];
  const closed = new Promise<void>((resolve) => {
    callee.listen({ onMessage: ({ type }) => heard.push(type), onClose: resolve });
  });
  caller.send({ type: 'hangup' });
  caller.end();
  caller.send({ type: 'invite', call: '0'.repeat(32), voicePort: 1 });
  await closed;
  assert.equal(heard, ['hangup']);
  for (const { voiceKeys } of [caller, callee]) {
    for (const key of Object.values(voiceKeys)) assert.ok(key.equals(Buffer.alloc(28)));
  }
});

test('garbage instead of a handshake is refused', async () => {
  const [left, right] = await pair();
  const answered = ControlChannel.answer(right, [bob]);
  left.write(Buffer.concat([Buffer.from([0, 48]), Buffer.alloc(48, 7)]));
  await answered.then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'call-handshake'),
  );
  left.destroy();
});

test.run();
