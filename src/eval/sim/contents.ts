/**
 * Role: puts contents into a simulated network, gets them again, and counts what that took and gave.
 *
 * Requests of a GET are what its node sent from the GET's beginning to its end, its upkeep in that time included. So
 * that they are not counted twice, a node should do one GET at a time: `jobsInTurn` keeps two far apart.
 */
import type { Tell } from './scenario.js';
import type { Keyed } from './signed-content.js';
import type { HonestPeer, Simulation } from './simulation.js';

export interface GetResult {
  readonly right: boolean;
  /** From the request to the right content; infinite where it never came. */
  readonly firstMs: number;
  readonly requests: number;
}

export interface GetJob extends Keyed {
  readonly peer: HonestPeer;
}

/** Resolves with the number of nodes that said they took it. */
export function put(
  peer: HonestPeer,
  { key, content }: Keyed,
  ttlMs: number,
  replication = 20,
): Promise<number> {
  return peer.node.put({ key, content, ttlMs, replication });
}

export async function get(simulation: Simulation, { peer, key, content }: GetJob): Promise<GetResult> {
  const { clock } = simulation;
  const { counters } = peer.node;
  const startMs = clock.now();
  const before = counters.get('requestsSent');
  let firstMs = Number.POSITIVE_INFINITY;
  await peer.node.get(key, (found) => {
    if (firstMs === Number.POSITIVE_INFINITY && found.equals(content)) firstMs = clock.now() - startMs;
  });
  return {
    right: firstMs < Number.POSITIVE_INFINITY,
    firstMs,
    requests: counters.get('requestsSent') - before,
  };
}

/** GETs of the contents in turn, by the peers in turn. */
export function jobsInTurn(
  simulation: Simulation,
  count: number,
  contents: readonly Keyed[],
  peers: readonly HonestPeer[],
): GetJob[] {
  const order = simulation.random.shuffled(peers);
  return Array.from({ length: count }, (_, index) => ({
    ...(contents[index % contents.length] as Keyed),
    peer: order[index % order.length] as HonestPeer,
  }));
}

const TELL_EVERY = 1_000;

/** Does all GETs, so many begun a second. */
export async function getAll(
  simulation: Simulation,
  jobs: readonly GetJob[],
  perSecond: number,
  tell: Tell = () => {},
): Promise<GetResult[]> {
  const results: GetResult[] = [];
  await simulation.paced(jobs, perSecond, async (job) => {
    results.push(await get(simulation, job));
    if (results.length % TELL_EVERY !== 0) return;
    const right = results.filter((result) => result.right).length;
    tell(`${results.length} GETs, ${right} right`);
  });
  return results;
}

/** Honest peers that hold a content now. */
export function holders(simulation: Simulation, { key, content }: Keyed): HonestPeer[] {
  const now = simulation.clock.now();
  return simulation.honest.filter(({ node }) =>
    node.network.parts.store.get(key, now).some((held) => held.content.equals(content)),
  );
}
