/** Role: what conformance found at our own modules, and how large their network is. Not here: the run (own-conformance.ts). */

/** Peers of the network in which our modules are checked. */
export const PEERS = 6;

/** What is used of docs/testing/conformance.schema.json. */
export interface ConformanceReport {
  readonly conforms: boolean;
  readonly checks: readonly {
    readonly address: string;
    readonly outcome: 'holds' | 'fails' | 'not-checked';
    readonly detail: string;
  }[];
}

export interface OwnConformance {
  readonly dht: ConformanceReport;
  readonly kx: ConformanceReport;
}

/** What conformance said of one stub. */
export interface StubConformance {
  readonly module: 'dht' | 'kx';
  /** Its fault; null: it has none. */
  readonly fault: string | null;
  /** The check that must notice it. */
  readonly check: string | null;
  readonly report: ConformanceReport;
}
