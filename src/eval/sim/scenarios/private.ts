/**
 * Role: the scenario of private lookups in a large network: how much longer does a GET take through onions?
 *
 * The network is settled, nobody has sessions yet, and every node relays. Askers run for a while first, so that they have
 * their pool of hops and paths that are ready. Each value is got by one asker both ways, in turn one or the other first.
 */
import { put } from '../contents.js';
import { scenario } from '../scenario.js';
import { type Keyed, Signer } from '../signed-content.js';
import { type HonestPeer, Simulation } from '../simulation.js';
import { percent, quantile, rounded } from '../statistics.js';

const TTL_MS = 43_200_000;
const PUTS_PER_SECOND = 20;
const WAYS = ['direct', 'private'] as const;

/** Milliseconds to the right content; infinite where it never came. */
async function firstMs(
  simulation: Simulation,
  { node }: HonestPeer,
  { key, content }: Keyed,
  way: (typeof WAYS)[number],
): Promise<number> {
  const startMs = simulation.clock.now();
  let first = Number.POSITIVE_INFINITY;
  const lookups = way === 'direct' ? node : node.lookups;
  await lookups.get(key, (found) => {
    if (found.equals(content)) first = Math.min(first, simulation.clock.now() - startMs);
  });
  return first;
}

export const privateLookups = scenario({
  name: 'private',
  summary: 'first content of GETs through onions, beside direct ones',
  defaults: {
    nodes: 10_000,
    askers: 100,
    gets: 1_000,
    getsPerSecond: 5,
    warmUpSeconds: 180,
    medianRoundTripMs: 80,
    jitterMs: 2,
    lossPercent: 1,
  },
  async run(parameters, seed, tell) {
    const { nodes, askers, gets, getsPerSecond, warmUpSeconds } = parameters;
    const { medianRoundTripMs, jitterMs, lossPercent } = parameters;
    const area = { medianRoundTripMs, jitterMs, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random, clock } = simulation;
    const asking: HonestPeer[] = [];
    for (let i = 0; i < nodes; i++) {
      const asks = i < askers;
      const peer = simulation.addHonest(undefined, undefined, asks ? 'private' : 'relays');
      if (asks) asking.push(peer);
    }
    simulation.settle();
    tell(`${nodes} nodes settled`);
    await clock.advance(warmUpSeconds * 1000);

    const contents = Array.from({ length: gets }, () => new Signer(random).sign(1, clock.now() + TTL_MS));
    await simulation.paced(contents, PUTS_PER_SECOND, async (content) => {
      await put(random.pick(simulation.honest), content, TTL_MS);
    });
    tell(`${contents.length} values put`);

    const times = { direct: [] as number[], private: [] as number[] };
    await simulation.paced(contents, getsPerSecond, async (content, index) => {
      const asker = asking[index % asking.length] as HonestPeer;
      for (const way of index % 2 === 0 ? WAYS : WAYS.toReversed())
        times[way].push(await firstMs(simulation, asker, content, way));
    });
    const finite = (all: readonly number[]) => all.filter((one) => one < Number.POSITIVE_INFINITY);
    const p50 = (all: readonly number[]) => quantile(all, 0.5);
    return {
      nodes,
      build: 'settled',
      medianRoundTripMs,
      gets,
      directFoundPercent: rounded(percent(finite(times.direct).length, gets), 2),
      privateFoundPercent: rounded(percent(finite(times.private).length, gets), 2),
      directMsP50: rounded(p50(times.direct)),
      privateMsP50: rounded(p50(times.private)),
      directMsP99: rounded(quantile(times.direct, 0.99)),
      privateMsP99: rounded(quantile(times.private, 0.99)),
      privateShare: rounded(p50(times.private) / p50(times.direct), 2),
    };
  },
});
