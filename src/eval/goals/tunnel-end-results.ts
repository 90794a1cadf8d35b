/** Role: what tunnel-end.ts measures, apart from it because importing that file starts it. */

/** One line of `peer-load pour`. */
export type PourRound = {
  readonly target: 'tunnel' | 'wireguard';
  readonly sent: number;
  /** On the wire behind the tunnel's end; for ours only what the callee could decrypt. */
  readonly arrived: number;
} & (
  | {
      readonly measure: 'rate';
      /** Came out of the far end as they went in: of ours all, of wireguard-go's a sample. */
      readonly decrypted: number;
      readonly spoiled: number;
      readonly wallNs: number;
      readonly processorNs: number;
    }
  | { readonly measure: 'delay'; readonly p50Ns: number; readonly p99Ns: number }
);

/** Packets whose length with the IP header is this. */
export const PACKET_BYTES = 200;
export const RATE_ROUNDS = 10;
