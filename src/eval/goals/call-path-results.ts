/** Role: what call-path.ts measures, apart from it because importing that file starts it. */

export const UDP_PACKETS = 3_000;
export const DOWNLOAD_BYTES = 100_000_000;
export const ECHO_BYTES = 50_000_000;

/** Times in milliseconds; the TCP echo carries its bytes there and back, at the same time. */
export interface CallPathResults {
  readonly udp: {
    readonly sent: number;
    readonly received: number;
    readonly roundTripMs: { readonly p50: number; readonly p99: number };
  };
  readonly download: { readonly exact: boolean; readonly milliseconds: number };
  readonly echo: { readonly echoed: boolean; readonly milliseconds: number };
}
