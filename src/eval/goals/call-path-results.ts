/** Role: what call-path.ts measures, apart from it because importing that file starts it. */

export const UDP_PACKETS = 3_000;
export const TCP_BYTES = 50_000_000;

/** Times in milliseconds; the TCP echo carries its bytes there and back. */
export interface CallPathResults {
  readonly udp: {
    readonly sent: number;
    readonly received: number;
    readonly roundTripMs: { readonly p50: number; readonly p99: number };
  };
  readonly tcp: { readonly echoed: boolean; readonly milliseconds: number };
}
