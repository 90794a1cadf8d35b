/**
 * Role: what an attacker is: a peer or client that misbehaves in one way, against whom its config names.
 *
 * Invariants: it can be told to stop at any time, and then leaves nothing open; it counts what it does, and names the counters by
 * which honest peers show it; what it draws follows from the seed, but for what protects it (keys, handshakes).
 *
 * Not here: single attackers, the list of them (registry.ts), the command (src/cli/test-attacker.ts).
 */

import type { Config } from '../../config/config.js';
import type { SeededRandom } from '../../eval/sim/seeded-random.js';

/** Where an attacker has to stand, in words that follow "until". */
export const PLACES = {
  call: 'a call goes through it',
  'exchange-point': 'it is an exchange point of --key',
} as const;
export type Place = keyof typeof PLACES;

export interface Attacker {
  /** In kebab case; `docs/attacks/NAME.md` is its page. */
  readonly name: string;
  /** What it does, in one line. */
  readonly what: string;
  /**
   * What rises at honest peers: paths in `peer status --json`, such as `dht.state.node.counters.dropMalformed`.
   * Every one of them does.
   */
  readonly counters: readonly string[];
  /** What it can wait for before it attacks, where its place in the network decides what it can do. */
  readonly waitsFor?: Place;
  /** Attacks until `over`, then closes all that it has opened. Errors: PeerError where it cannot begin. */
  readonly run: (attack: Attack) => Promise<void>;
}

export interface Attack {
  /** Whom to attack: peers of the HOSTLIST, or the APIs of [DHT] and [KX]. */
  readonly config: Config;
  readonly random: SeededRandom;
  /** The DHT key or pseudo-identity that it is against, 32 bytes; null: any. */
  readonly key: Buffer | null;
  /** Whether it is to be honest until it has what it waits for. */
  readonly wait: boolean;
  /** Aborted when the attack is to end. */
  readonly over: AbortSignal;
  /** To be called once all is prepared (positions found, sockets open, what it waits for there): the duration counts from then on. */
  readonly begin: () => void;
  /** Counts what was done, and what came of it. */
  readonly count: (what: string, by?: number) => void;
}

/** Resolves after `ms`, or when the attack is over. */
export function pause(ms: number, over: AbortSignal): Promise<void> {
  if (over.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      over.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    over.addEventListener('abort', end);
  });
}

/** Resolves when the attack is over. */
export function untilOver(over: AbortSignal): Promise<void> {
  if (over.aborted) return Promise.resolve();
  return new Promise((resolve) => over.addEventListener('abort', () => resolve(), { once: true }));
}
