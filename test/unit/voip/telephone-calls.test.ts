/** Calls between telephones of production code, in virtual time. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';
import {
  namedIdentity,
  VirtualConnection,
  type VirtualTelephone,
  VirtualTelephones,
  type VirtualVoice,
} from '../../../src/eval/sim/virtual-telephones.js';
import { GIVE_UP_MS } from '../../../src/voip/conversation.js';
import { RENEW_AFTER_MS } from '../../../src/voip/reconnection.js';

const test = suite('calls between telephones');

function network() {
  const clock = new VirtualClock();
  const all = new VirtualTelephones(clock);
  return { clock, all };
}

const stateOf = ({ telephone }: VirtualTelephone) => telephone.call?.state;
const reasonOf = ({ telephone }: VirtualTelephone) => telephone.call?.reason;
const voiceOf = ({ voices }: VirtualTelephone) => [...voices][0] as VirtualVoice;

async function talking(clock: VirtualClock, caller: VirtualTelephone, callee: VirtualTelephone) {
  caller.telephone.dial(callee.id, undefined, undefined);
  await clock.advance(3_000);
  callee.telephone.accept();
  await clock.advance(1_000);
  assert.equal([stateOf(caller), stateOf(callee)], ['active', 'active']);
}

function assertHeard(one: VirtualTelephone, other: VirtualTelephone): void {
  assert.ok(voiceOf(other).receiveKeys.includes(voiceOf(one).sendKey ?? ''), 'nobody can hear this');
  assert.is(voiceOf(one).target?.port, voiceOf(other).port);
}

test('a call rings, is accepted, and ends at both when one hangs up', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  await talking(clock, alice, bob);
  assertHeard(alice, bob);
  assertHeard(bob, alice);
  assert.is(alice.telephone.call?.words, bob.telephone.call?.words);
  await clock.until(alice.telephone.end());
  await clock.advance(1_000);
  assert.equal([reasonOf(alice), reasonOf(bob)], ['hung-up', 'remote-hung-up']);
  assert.ok((bob.telephone.call?.talkedMs ?? 0) >= 1_000);
  assert.equal([all.openVoices, all.openConnections.length], [0, 0]);
});

test('nobody answers: both ends say so', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  alice.telephone.dial(bob.id, undefined, undefined);
  await clock.advance(60_000);
  assert.equal([reasonOf(alice), reasonOf(bob)], ['no-answer', 'no-answer']);
});

test('a second call waits; accepting it puts the first on hold, and the two can be changed', async () => {
  const { clock, all } = network();
  const [alice, bob, carol] = [all.add(), all.add(), all.add()];
  await talking(clock, alice, bob);
  carol.telephone.dial(bob.id, undefined, undefined);
  await clock.advance(3_000);
  assert.is(stateOf(carol), 'ringing');
  assert.is(bob.telephone.calls.length, 2);
  const { id } = bob.telephone.accept();
  await clock.advance(1_000);
  assert.equal([stateOf(carol), alice.telephone.call?.heldByRemote], ['active', true]);
  assert.is([...bob.voices].filter(({ held }) => held).length, 1);
  // Back to the first one.
  bob.telephone.setHeld(false);
  await clock.advance(1_000);
  assert.equal([alice.telephone.call?.heldByRemote, carol.telephone.call?.heldByRemote], [false, true]);
  // Hanging up without a number means the one that speaks.
  await clock.until(bob.telephone.end());
  await clock.advance(1_000);
  assert.equal([reasonOf(alice), stateOf(carol)], ['remote-hung-up', 'active']);
  assert.is(bob.telephone.call?.id, id);
});

test('a third caller hears busy from the pseudo-identity that speaks, and rings at another one', async () => {
  const { clock, all } = network();
  const identities = [namedIdentity('one'), namedIdentity('two')];
  const bob = all.add({ identities });
  const [alice, carol, dave, erin] = [all.add(), all.add(), all.add(), all.add()];
  await talking(clock, alice, bob);
  carol.telephone.dial(bob.id, undefined, undefined);
  await clock.advance(3_000);
  dave.telephone.dial(bob.id, undefined, undefined);
  erin.telephone.dial(identities[1]?.publicKey as Buffer, undefined, undefined);
  await clock.advance(3_000);
  assert.equal([reasonOf(dave), stateOf(erin)], ['busy', 'ringing']);
  assert.is(bob.telephone.calls.length, 2);
  await clock.advance(60_000);
  assert.is(reasonOf(erin), 'no-answer');
  assert.equal(
    bob.missed.map(({ identity }) => identity),
    ['two'],
  );
});

test('whoever may not ring sees the same as somebody whom nobody answers', async () => {
  const { clock, all } = network();
  const [alice, bob, carol] = [all.add(), all.add(), all.add({ judge: async () => 'missed' })];
  for (const callee of [bob, carol]) {
    const before = clock.now();
    alice.telephone.dial(callee.id, undefined, undefined);
    while (stateOf(alice) !== 'ended') await clock.advance(100);
    assert.is(Math.round((clock.now() - before) / 1000), 47);
  }
  const seen = alice.views.map(({ state, reason }) => `${state} ${reason}`);
  assert.equal(seen.slice(0, seen.length / 2), seen.slice(seen.length / 2));
  assert.equal([bob.views.length > 0, carol.views.length, carol.telephone.counters.quiet], [true, 0, 1]);
  assert.equal([bob.missed.length, carol.missed.length], [0, 1]);
  await clock.advance(1_000);
  assert.is(all.openConnections.length, 0);
});

/** A caller that speaks for itself: what it hears on its connection to `callee`, in order. */
async function invitation(
  all: VirtualTelephones,
  callee: VirtualTelephone,
  caller = namedIdentity('stranger'),
) {
  const [mine, theirs] = VirtualConnection.pair(all.clock, Math.random(), caller.publicKey, callee.id) as [
    VirtualConnection,
    VirtualConnection,
  ];
  const heard: string[] = [];
  mine.listen({
    onMessage: ({ type }) => {
      if (type !== 'ping') heard.push(type);
    },
    onClose: () => heard.push('closed'),
  });
  const first = { type: 'invite', call: '0'.repeat(32), voicePort: 4_000 } as const;
  await callee.telephone.welcome({ connection: theirs, first, localPort: 5_060 });
  return { heard, mine };
}

test('whoever calls again and may not ring sees the same, too, and so do very many', async () => {
  const { clock, all } = network();
  const [bob, carol] = [all.add(), all.add({ judge: async () => 'ignored' })];
  for (const callee of [bob, carol]) {
    const caller = namedIdentity('again');
    const before = await invitation(all, callee, caller);
    await clock.advance(1_000);
    const after = await invitation(all, callee, caller);
    await clock.advance(1_000);
    assert.equal([before.heard, after.heard], [['ringing', 'hangup', 'closed'], ['ringing']]);
    after.mine.break();
    await clock.advance(1_000);
  }
  const many = await Promise.all(Array.from({ length: 60 }, () => invitation(all, carol)));
  await clock.advance(1_000);
  assert.ok(many.every(({ heard }) => heard[0] === 'ringing'));
  assert.is(many.filter(({ heard }) => heard.length === 1).length, 32);
});

test('a call that has ended is not taken up again, and its voice is no reason to be busy', async () => {
  const { clock, all } = network();
  const alice = all.add({ slowVoice: true });
  const bob = all.add();
  await talking(clock, alice, bob);
  const { id } = alice.telephone.calls[0] as { id: number };
  void alice.telephone.end(id);
  // Its voice closes still: neither does this go on with it, nor is there a call that speaks already.
  const stranger = await invitation(all, alice, bob.identities[0]);
  await clock.advance(100);
  const states = alice.telephone.calls.map((call) => `${call.id} ${call.state}`);
  assert.ok(states.includes(`${id + 1} ringing`), states.join());
  await clock.advance(5_000);
  assert.is(alice.voices.size, 0);
  stranger.mine.break();
});

test('the answer of somebody who was dialled takes the microphone from nobody', async () => {
  const { clock, all } = network();
  const [alice, bob, carol] = [all.add(), all.add(), all.add()];
  await talking(clock, alice, bob);
  alice.telephone.dial(carol.id, undefined, undefined);
  await clock.advance(3_000);
  alice.telephone.setHeld(false);
  carol.telephone.accept();
  await clock.advance(1_000);
  assert.equal(
    alice.telephone.calls.map(({ state, held }) => `${state} ${held}`),
    ['active false', 'active true'],
  );
  assert.is(carol.telephone.call?.heldByRemote, true);
});

test('the tunnel of a call is freed though the same party has called too', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  await talking(clock, alice, bob);
  bob.telephone.setHeld(true);
  const back = await invitation(all, alice, bob.identities[0]);
  // Not at the same time: the call has gone on for a while.
  await clock.advance(15_000);
  back.mine.break();
  const again = await invitation(all, alice, bob.identities[0]);
  await clock.advance(1_000);
  assert.equal(again.heard, ['ringing']);
  void alice.telephone.end(1);
  await clock.advance(1_000);
  assert.equal(alice.released, [bob.id]);
});

test('two who call each other at once have one call, whoever dials first', async () => {
  for (const [first, second] of [
    [0, 0],
    [0, 400],
    [400, 0],
    [0, 1_500],
    [1_500, 0],
  ] as const) {
    const { clock, all } = network();
    const [alice, bob] = [all.add(), all.add()];
    clock.setTimer(first, () => alice.telephone.dial(bob.id, undefined, undefined));
    clock.setTimer(second, () => bob.telephone.dial(alice.id, undefined, undefined));
    await clock.advance(8_000);
    assert.equal([stateOf(alice), stateOf(bob)], ['active', 'active'], `${first} ${second}`);
    assert.equal([alice.telephone.calls.length, bob.telephone.calls.length], [1, 1]);
    assert.is(all.openVoices, 2);
    assertHeard(alice, bob);
    assertHeard(bob, alice);
    await clock.until(bob.telephone.end());
    await clock.advance(1_000);
    assert.equal([reasonOf(alice), all.openVoices, all.openConnections.length], ['remote-hung-up', 0, 0]);
  }
});

test('a call outlives its control connection, broken or silent, and gets new keys', async () => {
  for (const way of ['break', 'fallSilent'] as const) {
    const { clock, all } = network();
    const [alice, bob] = [all.add(), all.add()];
    await talking(clock, alice, bob);
    const key = voiceOf(alice).sendKey;
    bob.telephone.setHeld(true);
    for (const connection of all.openConnections) connection[way]();
    await clock.advance(20);
    await clock.advance(15_000);
    assert.equal([stateOf(alice), stateOf(bob)], ['active', 'active'], way);
    assert.equal([alice.telephone.call?.interrupted, bob.telephone.call?.interrupted], [false, false]);
    assert.is(alice.telephone.call?.heldByRemote, true);
    assert.is.not(voiceOf(alice).sendKey, key);
    assertHeard(alice, bob);
    assertHeard(bob, alice);
    assert.is(all.openConnections.length, 2);
    await clock.until(alice.telephone.end());
    await clock.advance(1_000);
    assert.is(reasonOf(bob), 'remote-hung-up');
  }
});

test('whoever does not come back is given up', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  await talking(clock, alice, bob);
  bob.reachable = false;
  for (const connection of all.openConnections) connection.break();
  await clock.advance(1_000);
  assert.equal([alice.telephone.call?.interrupted, bob.telephone.call?.interrupted], [true, true]);
  await clock.advance(GIVE_UP_MS);
  assert.equal([reasonOf(alice), reasonOf(bob)], ['lost', 'lost']);
  await clock.advance(60_000);
  assert.equal([all.openVoices, all.openConnections.length], [0, 0]);
});

test('who has hung up while the connection was gone ends the call of who comes back', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  await talking(clock, alice, bob);
  bob.reachable = false;
  for (const connection of all.openConnections) connection.break();
  await clock.advance(1_000);
  await clock.until(bob.telephone.end());
  bob.reachable = true;
  await clock.advance(10_000);
  assert.is(reasonOf(alice), 'remote-hung-up');
});

test('a long call changes its keys every while, and nobody notices', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  await talking(clock, alice, bob);
  const views = alice.views.length + bob.views.length;
  const keys = new Set<string>();
  for (let minutes = 0; minutes < 60; minutes += 1) {
    await clock.advance(60_000);
    keys.add(voiceOf(alice).sendKey ?? '');
    assertHeard(alice, bob);
    assertHeard(bob, alice);
  }
  assert.ok(keys.size >= Math.floor(3_600_000 / RENEW_AFTER_MS / 1.2), `${keys.size} keys`);
  assert.is(alice.views.length + bob.views.length, views);
  assert.is(all.openConnections.length, 2);
});

test('hanging up while it dials ends it at once, and the callee hears nothing more', async () => {
  const { clock, all } = network();
  const [alice, bob] = [all.add(), all.add()];
  for (let afterMs = 0; afterMs < 2_500; afterMs += 100) {
    alice.telephone.dial(bob.id, undefined, undefined);
    await clock.advance(afterMs);
    const over = alice.telephone.end();
    await clock.advance(1_000);
    await over;
    assert.is(reasonOf(alice), 'hung-up');
    assert.is(bob.telephone.calls.length, 0);
  }
  await clock.advance(60_000);
  assert.equal([all.openVoices, all.openConnections.length], [0, 0]);
});

test.run();
