/** Role: what a long conversation through a tunnel came to. Not here: the measuring (stream-probe.ts). */

/** A pause between two echoes; `from` in Unix milliseconds. */
export interface Gap {
  readonly from: number;
  readonly milliseconds: number;
}

export interface StreamResults {
  readonly udp: {
    readonly sent: number;
    readonly received: number;
    /** Echoes that came more than once. */
    readonly doubled: number;
    readonly gaps: readonly Gap[];
  };
  /** Bytes, and whether all came back as they were sent. */
  readonly tcp: { readonly sent: number; readonly received: number; readonly exact: boolean } | null;
}
