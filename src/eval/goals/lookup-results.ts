/** Role: what the measurements of GETs print (lookup-rounds.ts, frozen-nodes.ts). Not here: what it must be. */

import type { GetRound, NodeKind } from '../dht-network/node-network.js';

export interface LookupRound {
  readonly kind: NodeKind;
  /** `in turn`: one GET at a time in the whole network; `at once`: as many as the goal says. */
  readonly way: 'in turn' | 'at once';
  readonly round: GetRound;
}

export interface LookupResults {
  readonly rounds: readonly LookupRound[];
  /** Nodes in one process, and how much more it holds resident with them. */
  readonly memory: { readonly nodes: number; readonly bytes: number };
}

/** GETs of the living half of a network whose other half does not answer. */
export interface FrozenResults {
  readonly nodes: number;
  readonly frozen: number;
  readonly round: GetRound;
}
