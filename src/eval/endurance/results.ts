/** Role: what the endurance run finds out. Not here: the run (main.ts), what must hold (goals/voip-endurance.ts). */

export interface CallRecord {
  /** Since the run began. */
  readonly atSeconds: number;
  readonly caller: string;
  readonly callee: string;
  readonly script: Script;
  /** What was not as the script has it; absent: all was. */
  readonly fault?: string;
  /** What was done to the network meanwhile, or shortly before, by which this call may fail. */
  readonly excuse?: string;
}

/** `talk`: answered, held, muted, hung up; the others end before an answer. */
export type Script = 'talk' | 'decline' | 'give-up' | 'change-mind';

/** What a process takes. */
export interface Footprint {
  /** Peer and module. */
  readonly process: string;
  /** Resident, at the beginning when all was warm, and at the end: the median of many looks. */
  readonly earlyMegabytes: number;
  readonly lateMegabytes: number;
  /** Open descriptors when nobody called: before the first call, and after the last one. */
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
}

export interface EnduranceResults {
  readonly minutes: number;
  readonly calls: readonly CallRecord[];
  /** What was done to the network, and how often. */
  readonly mishaps: Readonly<Record<string, number>>;
  readonly rotations: number;
  readonly repairs: number;
  /** Of those peers that nothing was done to. */
  readonly footprints: readonly Footprint[];
  /** What was stuck, or left over when all was over. */
  readonly left: readonly string[];
  /** PESQ-WB of speech each way in a call after all that; null: it could not be had. */
  readonly pesqAfterwards: readonly (number | null)[];
}
