/** Role: what disturbances.ts measures, apart from it because importing that file starts it. */

import type { StreamResults } from '../stream-results.js';

export interface RotationResults {
  /** Of both ends' tunnels together. */
  readonly rotations: number;
  readonly stream: StreamResults;
}

/** A relay killed; `gapMs` 0 where the stream did not pause for 100 ms. */
export interface Death {
  /** Unix milliseconds. */
  readonly at: number;
  readonly gapMs: number;
}

export interface DeathResults {
  readonly deaths: readonly Death[];
  readonly stream: StreamResults;
}
