/** Role: what attack-trials.ts finds out about each attacker, and how much it tries. Not here: what the figures must be (attacks.ts). */

/** Honest peers. */
export const PEERS = 12;
/** How long an attacker attacks at least, and at most until all its counters have risen, in seconds. */
export const ATTACKED_SECONDS = { least: 30, most: 90 } as const;

/** A call that was dialled while the attack was going on. */
export interface TriedCall {
  /** From dialling until the two could talk; null where they never could. */
  readonly connectedAfterMs: number | null;
  /** Why not. */
  readonly reason?: string;
}

export interface AttackTrial {
  /** Null: nobody attacked. */
  readonly attacker: string | null;
  readonly seconds: number;
  readonly calls: readonly TriedCall[];
  /** Calls that had been going on before; those that still did at the end, never broken off. */
  readonly standing: { readonly calls: number; readonly kept: number };
  /** Packets of voice that all ends of all calls expected and did not get, and those they got. */
  readonly voice: { readonly received: number; readonly lost: number };
  /** Milliseconds to the right content; null where it did not come. */
  readonly gets: readonly (number | null)[];
  /** What honest peers counted of it, by path in `peer status --json`. */
  readonly counted: Readonly<Record<string, number>>;
  /** What the attacker says that it has done. */
  readonly done: Readonly<Record<string, number>>;
  /** It could not be tried. */
  readonly fault?: string;
}

/** One of `peer test attackers --json`. */
export interface ListedAttacker {
  readonly name: string;
  readonly counters: readonly string[];
  /** Where it has to stand: it waits for that. */
  readonly waitsFor: 'call' | 'exchange-point' | null;
}
