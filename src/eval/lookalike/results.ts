/** Role: what is found out about how alike calls and fake calls look. Not here: what must hold (goals/voip-lookalike.ts). */

/** A real call, seen at the caller's or the callee's links, or a fake one. */
export type Kind = 'caller' | 'callee' | 'fake';

/** A call as it was; times in Unix milliseconds. */
export interface Trial {
  readonly kind: Kind;
  readonly peer: string;
  readonly answeredMs: number;
  readonly endedMs: number;
}

export interface Observation {
  readonly kind: Kind;
  readonly peer: string;
  /** By name; see features.ts. */
  readonly features: Readonly<Record<string, number>>;
}

/** What passes while something is done in a call. */
export interface Phase {
  readonly name: 'talking' | 'silent' | 'muted' | 'held';
  readonly seconds: number;
  /** KX datagrams in each second, of the caller's peer. */
  readonly outPerSecond: readonly number[];
  readonly inPerSecond: readonly number[];
  /** Payload sizes that were seen, and how often. */
  readonly sizes: Readonly<Record<string, number>>;
}

export interface LookalikeResults {
  readonly phases: readonly Phase[];
  readonly observations: readonly Observation[];
  /** Calls that did not come about, and why. */
  readonly failed: readonly string[];
}
