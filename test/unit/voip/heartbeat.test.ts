/** Two ends of a control connection in virtual time. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtualClock } from '../../../src/eval/sim/virtual-clock.js';
import { Heartbeat } from '../../../src/voip/heartbeat.js';

const ONE_WAY_MS = 100;
const test = suite('heartbeat');

/** What each end has measured and asked; messages reach the other end after ONE_WAY_MS, until `dead`. */
function pair() {
  const clock = new VirtualClock();
  const state = { isDead: false, silent: 0, asked: [0, 0], roundTrips: [[], []] as [number[], number[]] };
  const ends: Heartbeat[] = [];
  const send = (to: number, receive: (end: Heartbeat) => void) =>
    clock.setTimer(ONE_WAY_MS, () => {
      if (state.isDead) return;
      const end = ends[to] as Heartbeat;
      end.heard();
      receive(end);
    });
  for (const own of [0, 1] as const) {
    const other = 1 - own;
    ends.push(
      new Heartbeat({
        clock,
        ping: (number) => {
          state.asked[own] = (state.asked[own] ?? 0) + 1;
          send(other, (end) => {
            end.asked();
            send(own, (back) => back.answered(number));
          });
        },
        onRoundTrip: (milliseconds) => state.roundTrips[own].push(milliseconds),
        onSilent: () => {
          state.silent += 1;
        },
      }),
    );
  }
  return { clock, state };
}

test('both ends know the round trip within two seconds, and go on asking, some one and a half pings a second in all', async () => {
  const { clock, state } = pair();
  await clock.advance(2_000);
  assert.ok(state.roundTrips.every((own) => own[0] === 2 * ONE_WAY_MS));
  await clock.advance(98_000);
  const asked = state.asked.reduce((sum, own) => sum + own, 0);
  assert.ok(asked > 80 && asked < 180, `${state.asked}`);
  assert.ok(
    state.asked.every((own) => own > 25),
    `${state.asked}`,
  );
  assert.is(state.silent, 0);
});

test('an end that says nothing any more is told of once by the other', async () => {
  const { clock, state } = pair();
  await clock.advance(10_000);
  state.isDead = true;
  await clock.advance(60_000);
  assert.is(state.silent, 2);
});

test.run();
