/** Role: what relay-speed.ts measures, apart from it because importing that file starts it. */

/** One line of `peer-load drive`. */
export type LoadRound = {
  readonly target: 'relay' | 'forwarder';
  readonly sent: number;
  readonly arrived: number;
} & (
  | { readonly measure: 'rate'; readonly wallNs: number; readonly processorNs: number }
  | { readonly measure: 'delay'; readonly p50Ns: number; readonly p99Ns: number }
);

export interface RelayResults {
  /** Rate, datagram by datagram. */
  readonly single: readonly LoadRound[];
  /** Rate, in bursts of 32 to one next hop. */
  readonly bursts: readonly LoadRound[];
  /** At 5 000 cells a second. */
  readonly delay: readonly LoadRound[];
}
