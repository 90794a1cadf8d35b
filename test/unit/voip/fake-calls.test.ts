/** Calls that only look like calls, in virtual time. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';
import { VirtualConnection, VirtualVoice } from '../../../src/eval/sim/virtual-telephones.js';
import type { NamedPseudoIdentity } from '../../../src/identity/pseudo-identity-store.js';
import { createLogger } from '../../../src/log.js';
import { DialFailure } from '../../../src/voip/dialler.js';
import { FakeCalls } from '../../../src/voip/fake-calls.js';
import { drawFakeCall } from '../../../src/voip/fake-schedule.js';

const test = suite('fake calls');
const DAY_MS = 86_400_000;

function bench(callsPerDay: number) {
  const clock = new VirtualClock();
  const random = new SeededRandom('fake calls');
  const published = new Set<NamedPseudoIdentity>();
  const voices = new Set<VirtualVoice>();
  const ports: number[] = [];
  const state = { isBusy: false, dials: 0, fails: false };
  const wait = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve));
  const openVoice = (port: number) => {
    ports.push(port);
    return new VirtualVoice(port, voices);
  };
  const connections: VirtualConnection[] = [];
  const fakes: FakeCalls = new FakeCalls({
    clock,
    callsPerDay,
    fraction: () => random.fraction(),
    publish: (identity) => {
      published.add(identity);
      const since = clock.now();
      return () => clock.now() - since > 5_000;
    },
    withdraw: async (identity) => {
      published.delete(identity);
    },
    dial: async (call, local, remote, signal) => {
      state.dials += 1;
      await wait(1_000);
      if (signal.aborted || state.fails) throw new DialFailure('not-reachable');
      call.go({ kind: 'building' });
      call.go({ kind: 'connecting' });
      const pair = VirtualConnection.pair(clock, state.dials, local.publicKey, remote);
      const [mine, theirs] = pair as [VirtualConnection, VirtualConnection];
      connections.push(mine, theirs);
      theirs.listen({
        onMessage: (first) => {
          if (first.type !== 'invite') return;
          theirs.listen(null);
          assert.ok(fakes.welcome({ connection: theirs, first, localPort: 20_000 }));
        },
        onClose: () => {},
      });
      return { connection: mine, again: () => Promise.reject(new DialFailure('not-reachable')) };
    },
    openVoice,
    openDeafVoice: openVoice,
    ringMs: 45_000,
    isBusy: () => state.isBusy,
    log: createLogger({ level: 'silent', name: 'test' }),
  });
  return { clock, fakes, published, voices, ports, state, connections };
}

test('they begin by chance about as often as configured, each with a pseudo-identity of its own, and leave nothing', async () => {
  const { clock, fakes, published, voices, ports, connections } = bench(40);
  let most = 0;
  const seen = new Set<NamedPseudoIdentity>();
  const [quiet, registered] = [[] as number[], [] as number[]];
  for (let minute = 0; minute < 10 * 24 * 60; minute += 1) {
    await clock.advance(60_000);
    most = Math.max(most, published.size);
    for (const one of published) seen.add(one);
    if (fakes.isGoingOn) continue;
    quiet.push(minute);
    if (published.size === 1) registered.push(minute);
  }
  const alone = registered.length / quiet.length;
  const { begun, answered, failed, gaveWay } = fakes.counters;
  assert.ok(alone > 0.9, `registered for ${alone} of the time between calls`);
  // 400 less the time that they last themselves.
  assert.ok(begun > 260 && begun < 400, `${begun} begun`);
  assert.equal([failed, gaveWay], [0, 0]);
  assert.ok(answered >= begun - 1 && seen.size >= begun - 5);
  assert.is(most, 1);
  assert.ok(ports.includes(20_000) && ports.includes(0));
  const closing = fakes.close();
  await clock.advance(10_000);
  await closing;
  assert.equal([published.size, voices.size, connections.filter(({ isOpen }) => isOpen).length], [0, 0, 0]);
});

test('a real call takes the place of a fake one, and while it lasts none begins', async () => {
  const { clock, fakes, published, voices, state } = bench(1_000);
  while (voices.size < 2) await clock.advance(1_000);
  const [callee] = published as unknown as [NamedPseudoIdentity];
  state.isBusy = true;
  fakes.giveWay();
  await clock.advance(2_000);
  assert.equal([voices.size, fakes.counters.gaveWay], [0, 1]);
  assert.not(published.has(callee));
  await clock.advance(DAY_MS / 24);
  assert.is(fakes.counters.begun, 1);
  state.isBusy = false;
  await clock.advance(DAY_MS / 24);
  assert.ok(fakes.counters.begun > 1);
  void fakes.close();
});

test('one that cannot be reached is counted, and the next one is tried', async () => {
  const { clock, fakes, published, state } = bench(500);
  state.fails = true;
  for (let hour = 0; hour < 24; hour += 1) await clock.advance(DAY_MS / 24);
  assert.ok(fakes.counters.failed > 5 && fakes.counters.answered === 0, JSON.stringify(fakes.counters));
  assert.ok(published.size <= 1);
  void fakes.close();
});

test('none is planned where none is wanted', async () => {
  const { clock, fakes } = bench(0);
  await clock.advance(10 * DAY_MS);
  assert.equal([fakes.counters.begun, clock.timers], [0, 0]);
});

test('times between them are exponential, lengths log-normal within their bounds', () => {
  const random = new SeededRandom('schedule');
  const plans = Array.from({ length: 20_000 }, () => drawFakeCall(24, () => random.fraction()));
  const mean = plans.reduce((sum, { afterMs }) => sum + afterMs, 0) / plans.length;
  assert.ok(Math.abs(mean / (DAY_MS / 24) - 1) < 0.03, `${mean}`);
  const longer = plans.filter(({ afterMs }) => afterMs > DAY_MS / 24).length / plans.length;
  assert.ok(Math.abs(longer - Math.exp(-1)) < 0.02, `${longer}`);
  const lengths = plans.map(({ talkMs }) => talkMs).sort((a, b) => a - b);
  const median = lengths[lengths.length / 2] as number;
  assert.ok(median > 65_000 && median < 85_000, `${median}`);
  assert.ok((lengths[0] as number) >= 5_000 && (lengths.at(-1) as number) <= 3_600_000);
});

test.run();
