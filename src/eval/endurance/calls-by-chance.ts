/**
 * Role: one call after the other between people who are free, and how each went.
 *
 * Invariants: nobody is in two calls; nobody calls in vain so often that it would be left to ring unheard.
 *
 * Not here: what is done in a call (scripts.ts).
 */

import { any, between, fraction, integer } from './chance.js';
import type { Mishaps } from './mishaps.js';
import type { Phone } from './phone.js';
import type { CallRecord, Script } from './results.js';
import { play } from './scripts.js';

const TALK_MS = [8_000, 60_000] as const;
const PAUSE_MS = [1_000, 5_000] as const;
/** Share of calls after which one waits until everybody is free. */
const WAITING = 0.35;
/** One who calls in vain more often within five minutes is left to ring unheard (src/voip/quiet-ringing.ts). */
const MOST_IN_VAIN = 3;
const VAIN_WITHIN_MS = 330_000;

export interface CallsByChanceParts {
  readonly phones: readonly Phone[];
  readonly mishaps: Mishaps;
  readonly isOver: () => boolean;
  readonly tell: (text: string) => void;
}

export class CallsByChance {
  readonly calls: CallRecord[] = [];
  /** Calls that could not be ended. */
  readonly stuck: string[] = [];
  readonly #o: CallsByChanceParts;
  readonly #begunMs = performance.now();
  readonly #busy = new Set<Phone>();
  #vain: { readonly pair: string; readonly atMs: number }[] = [];

  constructor(parts: CallsByChanceParts) {
    this.#o = parts;
  }

  /** Calls until all is over; several may run at the same time, half as many as there are people at most. */
  async run(): Promise<void> {
    const { phones, isOver, tell } = this.#o;
    while (!isOver()) {
      const free = phones.filter((phone) => !this.#busy.has(phone));
      const [caller] = free.splice(integer(free.length), 1) as [Phone];
      const callee = any(free);
      const pair = [caller, callee];
      for (const phone of pair) this.#busy.add(phone);
      const record = await this.#call(caller, callee);
      this.calls.push(record);
      for (const phone of pair) {
        if (!(await phone.clear())) this.stuck.push(`${phone.name} has a call that does not end`);
        this.#busy.delete(phone);
      }
      const { script, fault, excuse = 'no excuse' } = record;
      if (fault !== undefined) tell(`${caller.name} → ${callee.name}, ${script}: ${fault} (${excuse})`);
      if (this.calls.length % 10 === 0) tell(`${this.calls.length} calls`);
      await pause(between(PAUSE_MS));
      // So that the next call may be one with somebody else.
      if (fraction() < WAITING) while (this.#busy.size > 0 && !isOver()) await pause(200);
    }
  }

  async #call(caller: Phone, callee: Phone): Promise<CallRecord> {
    const { mishaps } = this.#o;
    const script = this.#scriptFor(caller, callee);
    const beganMs = performance.now();
    const fault = await play(script, caller, callee, between(TALK_MS)).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const isSetUp = fault !== undefined && !/hearing|hold/.test(fault);
    const excuse = fault && mishaps.excuse([caller.name, callee.name], isSetUp, beganMs, performance.now());
    return {
      atSeconds: Math.round((beganMs - this.#begunMs) / 1_000),
      ...{ caller: caller.name, callee: callee.name, script },
      ...(fault === undefined ? {} : { fault }),
      ...(excuse === undefined ? {} : { excuse }),
    };
  }

  /** Two of three are answered. */
  #scriptFor(caller: Phone, callee: Phone): Script {
    const pair = `${caller.name} ${callee.name}`;
    const now = performance.now();
    this.#vain = this.#vain.filter(({ atMs }) => now - atMs < VAIN_WITHIN_MS);
    const chance = fraction();
    const often = this.#vain.filter((one) => one.pair === pair).length;
    if (chance < 0.66 || often >= MOST_IN_VAIN) return 'talk';
    this.#vain.push({ pair, atMs: now });
    if (chance < 0.78) return 'decline';
    return chance < 0.9 ? 'give-up' : 'change-mind';
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
