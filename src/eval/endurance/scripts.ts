/**
 * Role: what two people do with their telephones from dialling to the end.
 *
 * Invariants: each step is seen from both sides; a call that is interrupted has time to come back.
 *
 * Not here: who calls whom and when (main.ts).
 */

import { fraction, integer } from './chance.js';
import { type Phone, type PhoneCall, StepFailed } from './phone.js';
import type { Script } from './results.js';

const RING_MS = 30_000;
const STEP_MS = 30_000;
/** Packets that come within this show that voice flows; there are fifty a second. */
const LISTEN_MS = 2_000;
const LEAST_HEARD = 40;

interface Side {
  readonly phone: Phone;
  readonly call: number;
}

/** Plays it to its end. Errors: 'endurance', with what was not so. */
export async function play(script: Script, caller: Phone, callee: Phone, talkMs: number): Promise<void> {
  const { id } = (await caller.request('call', { to: callee.id })) as PhoneCall;
  const here: Side = { phone: caller, call: id };
  if (script === 'change-mind') {
    await pause(integer(1_500));
    await caller.request('hangup', { call: id });
    await both('free', [caller, callee]);
    return;
  }
  await untilState(here, 'ringing', RING_MS);
  const there: Side = { phone: callee, call: await ringingFrom(caller, callee) };
  if (script === 'give-up') {
    await pause(integer(3_000));
    await caller.request('hangup', { call: id });
  } else if (script === 'decline') {
    await callee.request('decline', { call: there.call });
  } else {
    await pause(integer(3_000));
    await callee.request('accept', { call: there.call });
    await Promise.all([here, there].map((side) => untilState(side, 'active', STEP_MS)));
    await talk([here, there], talkMs);
    const ends = fraction() < 0.5 ? here : there;
    await ends.phone.request('hangup', { call: ends.call });
  }
  await both('free', [caller, callee]);
}

/** Voice flows, each may mute and hold, and voice flows again. */
async function talk(sides: readonly [Side, Side], talkMs: number): Promise<void> {
  const end = performance.now() + talkMs;
  await voiceFlows(sides);
  while (performance.now() < end) {
    const [one, other] = fraction() < 0.5 ? sides : [sides[1], sides[0]];
    const chance = fraction();
    if (chance < 0.3) {
      await one.phone.request('hold', { held: true, call: one.call });
      await untilCall(other, 'put on hold', ({ heldByRemote }) => heldByRemote);
      await pause(integer(4_000));
      await one.phone.request('hold', { held: false, call: one.call });
      await untilCall(other, 'taken from hold', ({ heldByRemote }) => !heldByRemote);
    } else if (chance < 0.6) {
      await one.phone.request('mute', { muted: true, call: one.call });
      await pause(integer(4_000));
      await one.phone.request('mute', { muted: false, call: one.call });
    } else await pause(2_000);
  }
  await voiceFlows(sides);
}

/** Both hear something within STEP_MS, also where a relay has just died. */
async function voiceFlows(sides: readonly Side[]): Promise<void> {
  await Promise.all(
    sides.map(async ({ phone }) => {
      let [before, sinceMs] = [Number.POSITIVE_INFINITY, 0];
      await phone.until('hearing the other one', STEP_MS, ({ statistics }) => {
        const received = statistics?.voice?.received ?? 0;
        const now = performance.now();
        if (received - before >= LEAST_HEARD) return true;
        if (received < before || now - sinceMs > LISTEN_MS) [before, sinceMs] = [received, now];
        return undefined;
      });
    }),
  );
}

function ringingFrom(caller: Phone, callee: Phone): Promise<number> {
  return callee.until(
    `rung at by ${caller.name}`,
    STEP_MS,
    ({ calls }) =>
      calls.find(
        ({ direction, state, remote }) =>
          direction === 'incoming' && state === 'ringing' && remote === caller.id,
      )?.id,
  );
}

function untilState(side: Side, wanted: string, patienceMs: number): Promise<true> {
  return untilCall(side, wanted, ({ state }) => state === wanted, patienceMs);
}

/** Errors: 'endurance', also as soon as the call is over. */
function untilCall(
  { phone, call }: Side,
  what: string,
  isSo: (view: PhoneCall) => boolean,
  patienceMs = STEP_MS,
): Promise<true> {
  return phone.until(what, patienceMs, ({ calls, call: last }) => {
    const view = calls.find(({ id }) => id === call);
    if (view === undefined) {
      const { reason, detail } = last?.id === call ? last : { reason: 'gone', detail: undefined };
      throw new StepFailed(
        `${phone.name}: not ${what}: ended, ${reason}${detail === undefined ? '' : `: ${detail}`}`,
      );
    }
    return isSo(view) ? true : undefined;
  });
}

async function both(what: string, phones: readonly Phone[]): Promise<void> {
  await Promise.all(
    phones.map((phone) => phone.until(what, STEP_MS, ({ calls }) => (calls.length === 0 ? true : undefined))),
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
