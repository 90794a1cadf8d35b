/** Role: what call-sound.ts measures. Not here: how much, and what the figures must be (voip-delay.ts). */

export interface CallSoundOptions {
  /** Of each link, each way; 0: no emulated delay. */
  readonly delayMs: number;
  readonly echoCancellation: boolean;
  readonly server: 'pulse' | 'pipewire';
  readonly seconds: number;
}

export interface CallSoundResults extends CallSoundOptions {
  /** Mouth to ear, of all pieces of one second in which somebody speaks. */
  readonly delaysMs: readonly number[];
  /** PESQ-WB of each spell of speech. */
  readonly pesq: readonly number[];
  /** Processor time of all processes of the caller's peer, and of the sound alone, as shares of a core. */
  readonly cpu: { readonly peer: number; readonly voip: number };
  readonly received: number;
  readonly lost: number;
  readonly concealed: number;
  readonly realtime: boolean;
}
