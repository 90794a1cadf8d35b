/**
 * Role: the calls of a trial: a pair makes one after the other, speaks in turn, and what comes of it is written down.
 *
 * Invariants: a call that fails is a record with its reason, and the next one is made; nobody dials before both are free.
 *
 * Not here: the network (trial.ts), how speech is compared (demo/lab.ts).
 */

import { PeerError } from '../../errors.js';
import type { Person } from '../demo/person.js';
import { LEAST_PEAK } from '../demo/summary.js';
import { callFigures, TelephoneCall } from '../demo/telephone-call.js';
import { Phone } from '../endurance/phone.js';
import type { PeerNetwork } from '../peer-network.js';
import type { CallRecord, CallWay, Spell, VoiceSample } from '../report/results.js';
import { speakInTurn } from '../speech-in-turn.js';

export interface Pair {
  /** From 0. */
  readonly index: number;
  readonly caller: Person;
  readonly callee: Person;
  /** Text of the callee's pseudo-identity. */
  readonly calleeId: string;
}

export interface CallSettings {
  readonly network: PeerNetwork;
  readonly count: number;
  /** How long the two speak at least. */
  readonly seconds: number;
  /** For recordings, of this pair alone. */
  readonly directory: string;
  readonly tell: (text: string) => void;
}

/** A way whose spells and samples are yet to come. */
type OpenWay = CallWay & { readonly spells: Spell[]; readonly voice: VoiceSample[] };

export async function makeCalls(pair: Pair, settings: CallSettings): Promise<CallRecord[]> {
  const calls: CallRecord[] = [];
  const { caller, callee } = pair;
  const phones = [caller, callee].map(({ peer }) => new Phone(settings.network, peer, ''));
  for (let number = 0; number < settings.count; number++) {
    const call = await makeCall(pair, number, settings);
    calls.push(call);
    const how = call.failure ?? `rang after ${call.ringingAfterMs?.toFixed(0)} ms`;
    settings.tell(`${caller.name} → ${callee.name}, call ${number + 1} of ${settings.count}: ${how}`);
    await Promise.all(phones.map((phone) => phone.clear()));
  }
  return calls;
}

async function makeCall(pair: Pair, number: number, settings: CallSettings): Promise<CallRecord> {
  const { index, caller, callee } = pair;
  const steps: { state: string; afterMs: number }[] = [];
  const ways: [OpenWay, OpenWay] = [openWay(caller, callee), openWay(callee, caller)];
  const dialledMs = performance.now();
  const call = new TelephoneCall(settings.network, caller.peer, pair.calleeId);
  let roundTripMs: number | null = null;
  let failure: string | undefined;
  try {
    await call.answered(({ state }) => steps.push({ state, afterMs: performance.now() - dialledMs }));
    roundTripMs = await converse(pair, ways, settings);
    await call.hangUp();
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    failure = error.message;
  }
  return {
    ...{ pair: index, number, caller: caller.name, callee: callee.name, steps, roundTripMs },
    ringingAfterMs: call.view.ringingAfterMs ?? null,
    ...(failure === undefined ? {} : { failure }),
    ways,
  };
}

/** The two speak in turn; the last round trip. Errors: 'call' and those of the laboratory's tools. */
async function converse(
  { caller, callee }: Pair,
  ways: readonly [OpenWay, OpenWay],
  { network, seconds, directory }: CallSettings,
): Promise<number | null> {
  const answeredMs = performance.now();
  const spoken = () => (performance.now() - answeredMs) / 1_000;
  for (;;) {
    const scores = await speakInTurn(caller, callee, directory);
    const atSeconds = spoken();
    for (const [index, { peak, delaysMs, pesqWb }] of scores.entries()) {
      const isFound = peak >= LEAST_PEAK;
      ways[index]?.spells.push({
        atSeconds,
        delaysMs: isFound ? delaysMs : [],
        pesq: isFound ? (pesqWb ?? 1) : 1,
      });
    }
    const [atCaller, atCallee] = [
      await callFigures(network, caller.peer),
      await callFigures(network, callee.peer),
    ];
    for (const [way, { voice }] of [[ways[0], atCallee] as const, [ways[1], atCaller] as const]) {
      const { received, lost, late, concealed, jitterMs, bufferMs } = voice;
      way.voice.push({ atSeconds, received, lost, late, concealed, jitterMs, bufferMs });
    }
    if (atSeconds >= seconds) return atCaller.view.roundTripMs ?? null;
  }
}

function openWay(from: Person, to: Person): OpenWay {
  return { from: from.name, to: to.name, spells: [], voice: [] };
}
