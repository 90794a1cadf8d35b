/**
 * The tones of a telephone, made and played by the addon. Not in it: when they are played (voip/tones.ts).
 */

import { addon } from './addon.js';
import type { SoundServer } from './audio.js';

/** `ring`: somebody calls. `waiting`: the same while one speaks. The others are what a caller hears. */
export type ToneName = 'ring' | 'waiting' | 'ringback' | 'busy' | 'failure';

export interface ToneSettings {
  readonly server: SoundServer;
  /** Name of a loudspeaker; absent, or where there is none of that name: the sound server's default. */
  readonly device?: string;
  /** It ends by then, whether it is stopped or not. */
  readonly mostMs: number;
}

/** Plays until `stop`; where there is no sound, nothing is heard, and nothing fails. */
export interface PlayedTone {
  stop(): void;
}

/** Throws where a name has a zero byte, or the system gives no thread. */
export function playTone(tone: ToneName, { server, device, mostMs }: ToneSettings): PlayedTone {
  return new (addon().PlayedTone)(tone, server, mostMs, device);
}
