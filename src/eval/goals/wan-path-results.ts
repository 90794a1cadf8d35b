/** Role: what wan-path.ts measures, apart from it because importing that file starts it. */

import type { WanLink, WanReport } from '../wan-hosts.js';

/** Links each way, of the call path as of the chain. */
export const LINKS = 6;
export const ROUNDS = 6;
/** Echoes of a round, at 50/s. */
export const ECHOES = 500;

/** Echoes one after the other; null: lost. */
export type RoundTrips = readonly (number | null)[];

export interface WanPathResults {
  readonly link: WanLink;
  /** A round of either in turn. */
  readonly callMs: readonly RoundTrips[];
  readonly chainMs: readonly RoundTrips[];
  readonly emulator: WanReport;
  /** Whether the emulator was woken before ordinary programs. */
  readonly realtime: boolean;
  /** Changes of circuits during the measurement, of both ends together, by their kind. */
  readonly tunnels: Readonly<Record<string, number>>;
}
