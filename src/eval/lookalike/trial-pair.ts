/**
 * Role: two peers that call each other, or each itself, and when that was.
 *
 * Invariants: both kinds of calls begin after a pause drawn alike, ring and last as drawn for fake calls
 * (src/voip/fake-schedule.ts); what is drawn too long for a measurement is drawn again.
 *
 * Not here: what is seen of them.
 */

import { PeerError } from '../../errors.js';
import { drawFakeCall } from '../../voip/fake-schedule.js';
import { Phone, type PhoneCall } from '../endurance/phone.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import type { Trial } from './results.js';

const REST_MS = [60_000, 360_000] as const;
/** Longer ones are drawn again. */
const MOST = { ringMs: 20_000, talkMs: 60_000 };
/** What comes of the end of a call has passed by then. */
const AFTER_MS = 50_000;
const STEP_MS = 60_000;
const POLL_MS = 100;

interface FakeCounters {
  readonly answered: number;
  readonly failed: number;
  readonly gaveWay: number;
}

export class TrialPair {
  #turned = false;

  private constructor(private readonly phones: readonly [Phone, Phone]) {}

  static async of(network: PeerNetwork, peers: readonly NetworkPeer[]): Promise<TrialPair> {
    const phones = await Promise.all(
      peers.map(async (peer) => {
        const { identities } = await new Phone(network, peer, '').state();
        return new Phone(network, peer, identities[0]?.id ?? '');
      }),
    );
    return new TrialPair(phones as [Phone, Phone]);
  }

  /** One calls the other. Errors: 'endurance'. */
  async real(): Promise<Trial[]> {
    this.#turned = !this.#turned;
    const [one, other] = this.phones;
    const [caller, callee] = this.#turned ? [one, other] : [other, one];
    const plan = drawn();
    await pause(rest());
    const { id } = (await caller.request('call', { to: callee.id })) as PhoneCall;
    try {
      await callee.until('rung at', STEP_MS, ({ calls }) =>
        calls.some(({ direction, state }) => direction === 'incoming' && state === 'ringing')
          ? true
          : undefined,
      );
      await pause(plan.ringMs);
      await callee.request('accept');
      const answeredMs = Date.now();
      await pause(plan.talkMs);
      const ends = Math.random() < 0.5 ? caller : callee;
      await ends.request('hangup', ends === caller ? { call: id } : {});
      const endedMs = Date.now();
      await pause(AFTER_MS);
      return [
        { kind: 'caller', peer: caller.name, answeredMs, endedMs },
        { kind: 'callee', peer: callee.name, answeredMs, endedMs },
      ];
    } finally {
      await Promise.all([caller.clear(), callee.clear()]);
    }
  }

  /** Each calls itself. Errors: 'endurance'. */
  async fakes(): Promise<Trial[]> {
    return Promise.all(
      this.phones.map(async (phone) => {
        const { ringMs, talkMs } = drawn();
        await pause(rest());
        const before = await countersOf(phone);
        await phone.request('fake-call', { ringMs, talkMs });
        const end = performance.now() + ringMs + 3 * STEP_MS;
        for (;;) {
          const now = await countersOf(phone);
          if (now.answered > before.answered) break;
          if (now.failed + now.gaveWay > before.failed + before.gaveWay || performance.now() > end)
            throw new PeerError('endurance', `${phone.name}: a fake call did not come about`);
          await pause(POLL_MS);
        }
        const answeredMs = Date.now();
        await pause(talkMs);
        const endedMs = Date.now();
        await pause(AFTER_MS);
        return { kind: 'fake' as const, peer: phone.name, answeredMs, endedMs };
      }),
    );
  }
}

function drawn() {
  for (;;) {
    const plan = drawFakeCall(1, Math.random);
    if (plan.ringMs <= MOST.ringMs && plan.talkMs <= MOST.talkMs && plan.talkMs >= 10_000) return plan;
  }
}

function rest(): number {
  const [least, most] = REST_MS;
  return least + Math.random() * (most - least);
}

async function countersOf(phone: Phone): Promise<FakeCounters> {
  return ((await phone.state()) as unknown as { fakeCalls: FakeCounters }).fakeCalls;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
