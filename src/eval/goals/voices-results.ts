/** Role: what relay-voices.ts measures, apart from it because importing that file starts it. */

/** One line of `peer-load voices`: all calls together, both ways; delays of the worse way. */
export interface VoicesRound {
  readonly calls: number;
  readonly sent: number;
  readonly heard: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  /** Of the relay, the most that was seen. */
  readonly residentKb: number;
}

export interface VoicesResults {
  /** Of the relay with all calls built and nobody speaking. */
  readonly idleKb: number;
  readonly quiet: readonly VoicesRound[];
  readonly flooded: readonly VoicesRound[];
}
