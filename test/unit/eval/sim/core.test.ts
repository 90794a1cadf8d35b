import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../../src/dht/contact.js';
import { compareDistance, sharedPrefixBits } from '../../../../src/dht/distance.js';
import type { ChannelKeys } from '../../../../src/dht/secure-channel.js';
import { AddressPlan } from '../../../../src/eval/sim/address-plan.js';
import { WideArea } from '../../../../src/eval/sim/paths.js';
import { PositionIndex } from '../../../../src/eval/sim/position-index.js';
import { SeededRandom } from '../../../../src/eval/sim/seeded-random.js';
import { standInChannel } from '../../../../src/eval/sim/stand-in-channel.js';
import { standInContact } from '../../../../src/eval/sim/stand-in-contact.js';
import { quantile } from '../../../../src/eval/sim/statistics.js';
import { VirtualClock } from '../../../../src/eval/sim/virtual-clock.js';

const test = suite('simulator core');

function contacts(count: number, seed: string): Contact[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () =>
    standInContact(random, { family: 4, host: '1.2.3.4', port: 3000 }, 1_800_000_000),
  );
}

test('timers run in the order of their times, equal ones in the order in which they were set', async () => {
  const clock = new VirtualClock();
  const random = new SeededRandom('clock');
  const startMs = clock.now();
  const ran: { atMs: number; order: number }[] = [];
  const handles = Array.from({ length: 2_000 }, (_, order) =>
    clock.setTimer(random.integer(300), () => ran.push({ atMs: clock.now() - startMs, order })),
  );
  const cleared = new Set<number>();
  for (let order = 0; order < 2_000; order += 3) {
    clock.clearTimer(handles[order]);
    cleared.add(order);
  }
  await clock.advance(150);
  assert.is(clock.now() - startMs, 150);
  assert.ok(ran.every(({ atMs }) => atMs <= 150));
  await clock.advance(150);
  assert.is(ran.length, 2_000 - cleared.size);
  assert.not.ok(ran.some(({ order }) => cleared.has(order)));
  for (const [index, one] of ran.entries()) {
    const next = ran[index + 1];
    if (next) assert.ok(one.atMs < next.atMs || (one.atMs === next.atMs && one.order < next.order));
  }
  assert.is(clock.timers, 0);
});

test('a timer that is set while timers run keeps its place, and promises react before the next timer', async () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  clock.setTimer(10, () => {
    clock.setTimer(0, () => ran.push('set at 10'));
    void Promise.resolve().then(() => ran.push('reaction at 10'));
  });
  clock.setTimer(20, () => ran.push('set before'));
  await clock.advance(20);
  assert.equal(ran, ['reaction at 10', 'set at 10', 'set before']);
  let failed = false;
  await clock.until(new Promise(() => {})).catch(() => {
    failed = true;
  });
  assert.ok(failed, 'a promise that nothing will settle is noticed');
});

test('randomness is the same for the same seed, another for another, and even', () => {
  const draw = (seed: string) => new SeededRandom(seed).bytes(64).toString('hex');
  assert.is(draw('a'), draw('a'));
  assert.is.not(draw('a'), draw('b'));
  const random = new SeededRandom('even');
  const counts = new Array<number>(256).fill(0);
  for (const byte of random.bytes(256_001)) counts[byte] = (counts[byte] as number) + 1;
  assert.ok(counts.every((count) => count > 850 && count < 1_150));
  const fractions = Array.from({ length: 10_000 }, () => random.fraction());
  assert.ok(fractions.every((value) => value >= 0 && value < 1));
  assert.ok(Math.abs(quantile(fractions, 0.5) - 0.5) < 0.02);
});

test('paths have the median round trip and the loss that were asked for', () => {
  const paths = new WideArea(new SeededRandom('paths'), { medianRoundTripMs: 80, jitterMs: 2, loss: 0.05 });
  const roundTrips = Array.from({ length: 10_000 }, () => {
    const [a, b] = [paths.place(), paths.place()];
    return paths.delayMs(a, b) + paths.delayMs(b, a);
  });
  const median = quantile(roundTrips, 0.5);
  assert.ok(median > 80 && median < 88, `median ${median} ms: 80 and twice the jitter`);
  const lost = Array.from({ length: 20_000 }, () => paths.loses()).filter(Boolean).length;
  assert.ok(lost > 900 && lost < 1_100, `${lost} of 20000 lost`);
});

test('addresses are different, public, and spread over prefixes', () => {
  const plan = new AddressPlan(new SeededRandom('addresses'), 500);
  const all = Array.from({ length: 5_000 }, () => plan.next());
  assert.is(new Set(all).size, all.length);
  assert.ok(new Set(all.map((address) => address.split('.').slice(0, 2).join('.'))).size > 450);
  assert.ok(new Set(all.map((address) => address.split('.').slice(0, 3).join('.'))).size > 4_500);
  assert.not.ok(all.some((address) => /^(0|10|127|169|172|192|22[4-9]|2[3-5]\d)\./.test(address)));
  const network = plan.network();
  assert.ok(plan.inNetwork(() => network).startsWith(`${network}.`));
});

test('the index finds the closest, and the buckets of a position, as looking at all does', () => {
  const all = contacts(700, 'index');
  const index = new PositionIndex(all);
  for (const target of contacts(20, 'targets')) {
    const expected = all.toSorted((a, b) => compareDistance(target.position, a.position, b.position));
    assert.equal(
      index.closest(target.position, 20).map(({ id }) => id),
      expected.slice(0, 20).map(({ id }) => id),
    );
  }
  const own = all[17] as Contact;
  const buckets = index.buckets(own.position);
  let found = 0;
  for (const [bits, { low, high }] of buckets.entries()) {
    for (let at = low; at < high; at++) {
      assert.is(sharedPrefixBits(own.position, index.at(at).position), bits);
      found += 1;
    }
  }
  assert.is(found, all.length - 1, 'everybody but itself is in a bucket');
});

test('the stand-in of the channel refuses what is altered or for another', () => {
  const random = new SeededRandom('channel');
  const [alice, bob] = contacts(2, 'pair') as [Contact, Contact];
  const near = standInChannel(alice.identity, alice.key, random);
  const far = standInChannel(bob.identity, bob.key, random);
  const initiation = near.initiate('datagram', bob.key, Buffer.from('question'));
  const altered = Buffer.from(initiation?.message as Buffer);
  altered[100] = (altered[100] as number) ^ 1;
  assert.is(far.respond('datagram', altered), null);
  assert.is(near.respond('datagram', initiation?.message as Buffer), null);
  const reception = far.respond('datagram', initiation?.message as Buffer);
  assert.equal(reception?.remoteKey, alice.key);
  assert.equal(reception?.payload, Buffer.from('question'));
  const reply = reception?.reply(Buffer.from('answer'));
  const finished = initiation?.finish(reply?.message as Buffer);
  assert.equal(finished?.payload, Buffer.from('answer'));
  const header = Buffer.from('header');
  const datagram = near.seal(finished?.keys as ChannelKeys, 5, header, Buffer.from('sealed'));
  assert.equal(datagram.subarray(0, header.length), header);
  const sealed = datagram.subarray(header.length);
  const keys = reply?.keys as ChannelKeys;
  assert.equal(far.open(keys, 5, header, sealed), Buffer.from('sealed'));
  assert.is(far.open(keys, 6, header, sealed), null);
  sealed[0] = 0;
  assert.is(far.open(keys, 5, header, sealed), null);
});

test.run();
