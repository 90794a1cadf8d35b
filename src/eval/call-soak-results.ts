/** Role: what hours of telephones in virtual time come to. Not here: the run (sim/call-soak.ts), what must hold (goals/voip-endurance.ts). */

export interface CallSoakResults {
  readonly hours: number;
  readonly telephones: number;
  /** Calls by how they ended. */
  readonly ends: Readonly<Record<string, number>>;
  readonly resumed: number;
  readonly crossed: number;
  readonly faults: readonly string[];
  /** What is left when everybody has hung up. */
  readonly left: {
    readonly calls: number;
    readonly voices: number;
    readonly connections: number;
    readonly timers: number;
  };
  /** Bytes of heap in use after the first hour, and at the end. */
  readonly heap: { readonly early: number; readonly late: number };
}
