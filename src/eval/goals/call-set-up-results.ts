/** Role: what call-set-up.ts measures, and how much. Not here: what the figures must be (voip-set-up.ts). */

import type { WanReport } from '../wan-hosts.js';

export const PEERS = 12;
export const CALLS = 400;
/** Calls going on at once: all pairs of a round have peers of their own. */
export const AT_ONCE = PEERS / 2;
/** Every link, each way. */
export const LINK = { delayMs: 20, jitterMs: 2, lossPercent: 0 } as const;

export interface SetUp {
  /** From dialling to the word of the callee that it rings; null where it never came. */
  readonly ringingAfterMs: number | null;
  /** How far it came, with times since dialling. */
  readonly steps: readonly { readonly state: string; readonly afterMs: number }[];
  readonly reason?: string;
  readonly detail?: string;
}

export interface SetUpResults {
  readonly setUps: readonly SetUp[];
  readonly emulator: WanReport;
}
