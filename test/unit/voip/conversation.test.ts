/** One call over real TCP on loopback, without sound. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { steadyClock } from '../../../src/clock.js';
import { generatePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { createLogger } from '../../../src/log.js';
import { Call } from '../../../src/voip/call.js';
import { ControlChannel } from '../../../src/voip/control-channel.js';
import { Conversation } from '../../../src/voip/conversation.js';
import { Media } from '../../../src/voip/media.js';

const test = suite('conversation');
const alice = generatePseudoIdentity();
const bob = generatePseudoIdentity();
const config = {
  port: 5060,
  audioServer: 'auto' as const,
  notify: 'no' as const,
  ringDevice: null,
  tones: false,
  audioInput: null,
  audioOutput: null,
  echoCancellation: true,
  bitrate: 48_000,
  fakeCallsPerDay: 0,
  ringSeconds: 45,
  callLog: 0,
};

async function channels(): Promise<[ControlChannel, ControlChannel]> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [other] = await accepted;
  server.close();
  return Promise.all([
    ControlChannel.call(socket, alice, bob.publicKey),
    ControlChannel.answer(other, [bob]),
  ]);
}

interface Bench {
  readonly call: Call;
  readonly conversation: Conversation;
  readonly over: Promise<void>;
}

function converse(direction: 'incoming' | 'outgoing', connection: ControlChannel): Bench {
  const clock = steadyClock;
  const call = new Call({ id: 1, direction, remote: 'them', contact: undefined, clock, onChange: () => {} });
  if (direction === 'outgoing') for (const kind of ['building', 'connecting'] as const) call.go({ kind });
  let onOver = () => {};
  const over = new Promise<void>((resolve) => {
    onOver = resolve;
  });
  const log = createLogger({ level: 'silent', name: 'test' });
  const conversation = new Conversation({
    call,
    key: '0'.repeat(32),
    connection,
    clock,
    openVoice: (port) => new Media(config, '127.0.0.1', port),
    voicePort: 0,
    ringMs: 45_000,
    reconnect: null,
    log,
    onOver,
  });
  return { call, conversation, over };
}

test('an acceptance before the invitation starts no call', async () => {
  const [caller, callee] = await channels();
  const { call, conversation, over } = converse('outgoing', caller);
  callee.send({ type: 'accepted', voicePort: 4000 });
  callee.send({ type: 'ringing' });
  callee.send({ type: 'declined' });
  conversation.listen();
  await over;
  assert.is(call.view().answeredAfterMs, undefined);
  assert.is(call.view().reason, 'declined');
  callee.end();
});

test('a callee that gives up ringing is one that did not answer', async () => {
  const [caller, callee] = await channels();
  const { call, conversation, over } = converse('outgoing', caller);
  conversation.listen();
  conversation.invite();
  callee.send({ type: 'ringing' });
  callee.send({ type: 'hangup' });
  await over;
  assert.is(call.view().reason, 'no-answer');
  callee.end();
});

test('nothing begins any more when the other party has left already', async () => {
  for (const direction of ['outgoing', 'incoming'] as const) {
    const [caller, callee] = await channels();
    const [mine, theirs] = direction === 'outgoing' ? [caller, callee] : [callee, caller];
    const { call, conversation, over } = converse(direction, mine);
    conversation.listen();
    theirs.end();
    await over;
    // Sockets or timers made here would keep this process alive.
    if (direction === 'outgoing') conversation.invite();
    else conversation.ring(4000);
    assert.not(conversation.accept());
    assert.is(call.view().reason, 'lost');
  }
});

test.run();
