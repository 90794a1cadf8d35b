/**
 * Role: runs one attacker for a time or until it is told to stop, and tells what it has done so far.
 *
 * Not here: attackers, signals (src/cli/test-attacker.ts).
 */

import type { Config } from '../../config/config.js';
import { PeerError } from '../../errors.js';
import { SeededRandom } from '../../eval/sim/seeded-random.js';
import type { Attacker } from './attacker.js';

const TELL_EVERY_MS = 2_000;

export interface AttackProgress {
  readonly attacker: string;
  readonly seed: number;
  /** What it does first, solving puzzles, waiting and the like, is no part of the attack. */
  readonly state: 'preparing' | 'attacking' | 'over';
  /** Since it has begun. */
  readonly seconds: number;
  readonly counts: Readonly<Record<string, number>>;
}

export interface AttackOptions {
  readonly config: Config;
  readonly seed: number;
  readonly key: Buffer | null;
  /** Whether it is to be honest until it has what it waits for. */
  readonly wait: boolean;
  /** null: until `stop`. */
  readonly durationMs: number | null;
  readonly stop: AbortSignal;
  /** Hears when it has begun, every two seconds, and at the end. */
  readonly tell: (progress: AttackProgress) => void;
}

/** Rejects with 'usage' where it is to wait and does not know for what, and with what the attacker rejects with. */
export async function runAttack(attacker: Attacker, options: AttackOptions): Promise<void> {
  const { config, seed, key, wait, durationMs, stop, tell } = options;
  if (wait && attacker.waitsFor === undefined)
    throw new PeerError(
      'usage',
      `${attacker.name} can attack from anywhere: there is nothing that it waits for`,
    );
  const counts: Record<string, number> = {};
  let begunAtMs: number | null = null;
  const report = (state: AttackProgress['state']) => {
    const seconds = begunAtMs === null ? 0 : (performance.now() - begunAtMs) / 1000;
    tell({
      attacker: attacker.name,
      seed,
      state,
      seconds: Math.round(seconds * 10) / 10,
      counts: { ...counts },
    });
  };
  const end = new AbortController();
  let limit: NodeJS.Timeout | undefined;
  const progress = setInterval(() => report(begunAtMs === null ? 'preparing' : 'attacking'), TELL_EVERY_MS);
  try {
    await attacker.run({
      ...{ config, key, wait, random: new SeededRandom(`${attacker.name} ${seed}`) },
      over: AbortSignal.any([stop, end.signal]),
      begin: () => {
        begunAtMs = performance.now();
        if (durationMs !== null) limit = setTimeout(() => end.abort(), durationMs);
        report('attacking');
      },
      count: (what, by = 1) => {
        counts[what] = (counts[what] ?? 0) + by;
      },
    });
  } finally {
    clearTimeout(limit);
    clearInterval(progress);
  }
  report('over');
}
