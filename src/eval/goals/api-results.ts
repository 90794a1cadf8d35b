/** Role: what the trials of the DHT's API print (api-trials.ts). Not here: what it must be. */

import type { AttackResults } from '../dht-network/api-attacker.js';
import type { Miss } from '../dht-network/api-exchange.js';
import type { LimitCheck } from '../dht-network/api-limits.js';

export interface ApiResults {
  readonly limits: readonly LimitCheck[];
  /** GETs of large contents by honest clients: milliseconds, or why nothing came. */
  readonly atRest: readonly (number | Miss)[];
  readonly underAttack: readonly (number | Miss)[];
  readonly attack: AttackResults;
  /** Most resident memory of the daemon during the attack, beyond what it had before. */
  readonly grownBytes: number;
  readonly fuzzed: { readonly messages: number; readonly wrong: number };
  /** Whether the daemon that was attacked still runs as the same process and has all its contacts. */
  readonly alive: boolean;
}
