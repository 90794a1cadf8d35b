/**
 * Role: telephones that call, answer, hold and hang up by chance for hours of virtual time, while connections break.
 *
 *   node --expose-gc call-soak.js [HOURS] [TELEPHONES] [SEED]    prints one line of JSON: CallSoakResults
 *
 * Invariants: the seed decides what people do and what breaks; what must always hold is looked at every virtual second.
 *
 * Not here: what the figures must be (goals/voip-soak.ts).
 */

import type { CallView } from '../../voip/call.js';
import type { CallSoakResults } from '../call-soak-results.js';
import { SeededRandom } from './seeded-random.js';
import { VirtualClock } from './virtual-clock.js';
import { namedIdentity, type VirtualTelephone, VirtualTelephones } from './virtual-telephones.js';

const HOUR_MS = 3_600_000;
const STEP_MS = 1_000;
/** Longer than ringing, giving up and setting up together. */
const QUIET_MS = 180_000;
/** Longer than any timer that is set and cleared. */
const END_MS = 1_200_000;
/** Without anybody doing anything, no call stays longer than this in a state before the answer. */
const LONGEST_STATE_MS = 120_000;

async function soak(hours: number, count: number, seed: number): Promise<CallSoakResults> {
  const random = new SeededRandom(String(seed));
  const clock = new VirtualClock();
  const network = new VirtualTelephones(clock, () => 500 + random.fraction() * 1_500);
  const all = Array.from({ length: count }, (_, index) =>
    network.add({
      identities: [namedIdentity(`one${index}`), namedIdentity(`two${index}`)],
      judge: async () => (random.fraction() < 0.9 ? 'ring' : 'ignored'),
    }),
  );
  const watch = new Watch(clock);
  let early = 0;
  for (let atMs = 0; atMs < hours * HOUR_MS; atMs += STEP_MS) {
    for (const one of all) act(one, all, random);
    if (random.fraction() < 0.01) disturb(network, all, random);
    await clock.advance(STEP_MS);
    for (const one of all) watch.look(one);
    if (atMs === HOUR_MS - STEP_MS) early = usedHeap();
  }
  for (const one of all) one.reachable = true;
  await clock.advance(QUIET_MS);
  watch.compare(all);
  for (const one of all) for (const { id } of one.telephone.calls) void one.telephone.end(id).catch(() => {});
  await clock.advance(END_MS);
  const calls = all.reduce((sum, { telephone }) => sum + telephone.calls.length, 0);
  const left = {
    calls,
    voices: network.openVoices,
    connections: network.openConnections.length,
    timers: clock.timers,
  };
  const crossed = all.reduce((sum, { telephone }) => sum + telephone.counters.crossed, 0);
  const { ends, resumed, faults } = watch;
  return {
    hours,
    telephones: count,
    ends,
    resumed,
    crossed,
    faults,
    left,
    heap: { early, late: usedHeap() },
  };
}

/** What a person may do in one second. */
function act(one: VirtualTelephone, all: readonly VirtualTelephone[], random: SeededRandom): void {
  const { telephone } = one;
  const any = <T>(list: readonly T[]) => list[random.integer(list.length)] as T;
  const chance = random.fraction();
  const { calls } = telephone;
  try {
    if (calls.length === 0) {
      if (chance < 0.004) telephone.dial(any(any(all).identities).publicKey, undefined, undefined);
      return;
    }
    const call = any(calls);
    const isRinging = call.direction === 'incoming' && call.state === 'ringing';
    if (isRinging && chance < 0.15) telephone.accept(call.id);
    else if (isRinging && chance < 0.17) telephone.decline(call.id);
    else if (call.state === 'active' && chance < 0.01) void telephone.end(call.id).catch(() => {});
    else if (call.state === 'active' && chance < 0.02) telephone.setHeld(!call.held, call.id);
    else if (call.state === 'active' && chance < 0.03) telephone.setMuted(!call.muted, call.id);
    else if (call.state !== 'active' && chance > 0.995) void telephone.end(call.id).catch(() => {});
    else if (chance > 0.999) telephone.dial(any(all).id, undefined, undefined);
  } catch (error) {
    // What a person does too late is refused; anything else is a fault.
    if (!String((error as { code?: string }).code).startsWith('call-')) throw error;
  }
}

function disturb(network: VirtualTelephones, all: readonly VirtualTelephone[], random: SeededRandom): void {
  const open = network.openConnections;
  const connection = open[random.integer(open.length)];
  if (random.fraction() < 0.5) connection?.break();
  else connection?.fallSilent();
  const one = all[random.integer(all.length)] as VirtualTelephone;
  const other = all[random.integer(all.length)] as VirtualTelephone;
  if (one !== other && one.telephone.calls.length + other.telephone.calls.length === 0) {
    one.telephone.dial(other.id, undefined, undefined);
    other.telephone.dial(one.id, undefined, undefined);
  }
  if (random.fraction() < 0.2) one.reachable = !one.reachable;
}

/** Looks at telephones from outside. */
class Watch {
  readonly ends: Record<string, number> = {};
  readonly faults: string[] = [];
  resumed = 0;
  /** How many views of a telephone were looked at, and since when its calls are in their state. */
  readonly #since = new Map<
    VirtualTelephone,
    Map<number, { readonly view: CallView; readonly atMs: number }>
  >();

  constructor(private readonly clock: VirtualClock) {}

  look(one: VirtualTelephone): void {
    const known =
      this.#since.get(one) ?? new Map<number, { readonly view: CallView; readonly atMs: number }>();
    this.#since.set(one, known);
    for (const view of one.views.splice(0)) this.#note(known, view);
    const { calls } = one.telephone;
    const speaking = calls.filter(({ state, held }) => state === 'active' && !held);
    if (speaking.length > 1) this.#fault('two calls speak at once');
    if (calls.length > 2) this.#fault('more than two calls');
    for (const { view, atMs } of known.values()) {
      if (view.state !== 'active' && this.clock.now() - atMs > LONGEST_STATE_MS)
        this.#fault(`a call stays ${view.state}`);
    }
  }

  /** Whoever is in a call is in one with somebody who is in it too. */
  compare(all: readonly VirtualTelephone[]): void {
    const parties = all.flatMap(({ telephone }) => telephone.calls.filter(({ state }) => state === 'active'));
    const words = new Map<string, number>();
    for (const view of parties) words.set(view.words ?? '', (words.get(view.words ?? '') ?? 0) + 1);
    for (const [text, count] of words) if (count !== 2) this.#fault(`${count} are in the call ${text}`);
    for (const view of parties) if (view.interrupted) this.#fault('a call stays interrupted');
  }

  #note(known: Map<number, { readonly view: CallView; readonly atMs: number }>, view: CallView): void {
    const before = known.get(view.id);
    if (before?.view.interrupted && !view.interrupted && view.state === 'active') this.resumed += 1;
    if (view.state === 'ended') {
      known.delete(view.id);
      const reason = view.reason ?? 'without reason';
      this.ends[reason] = (this.ends[reason] ?? 0) + 1;
      return;
    }
    const isSame = before?.view.state === view.state;
    known.set(view.id, { view, atMs: isSame ? before.atMs : this.clock.now() });
  }

  #fault(text: string): void {
    if (this.faults.length < 20 && !this.faults.includes(text)) this.faults.push(text);
  }
}

function usedHeap(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const [hours = 10, telephones = 24, seed = 1] = process.argv.slice(2).map(Number);
process.stdout.write(`${JSON.stringify(await soak(hours, telephones, seed))}\n`);
