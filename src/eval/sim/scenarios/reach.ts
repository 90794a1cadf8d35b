/**
 * Role: the scenario of a very large network in which nobody comes or goes: how long does a GET take?
 *
 * The network is settled. Those who ask have just pinged all of their table, as upkeep does in time: they know round
 * trips and hold certificates and sessions of their contacts, as a node has them that has run for a while. The run is
 * shorter than the period of upkeep, so there is no other traffic.
 */
import { getAll, jobsInTurn, put } from '../contents.js';
import { scenario } from '../scenario.js';
import { Signer } from '../signed-content.js';
import { type HonestPeer, Simulation } from '../simulation.js';
import { mean, percent, quantile, rounded } from '../statistics.js';

const TTL_MS = 43_200_000;
const PUTS_PER_SECOND = 50;
const WARM_UPS_PER_SECOND = 50;

/** A round trip with every contact of its table. */
async function warmUp({ node }: HonestPeer): Promise<void> {
  const { network } = node;
  const pings = network.parts.table.contacts().map(
    (contact) =>
      new Promise<void>((resolve) => {
        const done = () => resolve();
        network.request(contact, { kind: 'ping' }, { onAnswer: done, onFailure: done });
      }),
  );
  await Promise.all(pings);
}

export const reach = scenario({
  name: 'reach',
  summary: 'how long GETs take in a large network without churn, over lossy paths',
  defaults: {
    nodes: 100_000,
    values: 200,
    gets: 2_000,
    askers: 200,
    getsPerSecond: 50,
    medianRoundTripMs: 80,
    jitterMs: 2,
    lossPercent: 5,
  },
  async run(parameters, seed, tell) {
    const { nodes, values, gets, askers, getsPerSecond, medianRoundTripMs, jitterMs, lossPercent } =
      parameters;
    const area = { medianRoundTripMs, jitterMs, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random, clock } = simulation;
    for (let i = 0; i < nodes; i++) simulation.addHonest();
    simulation.settle();
    tell(`${nodes} nodes settled`);
    const asking = Array.from({ length: askers }, () => random.pick(simulation.honest));
    await simulation.paced(asking, WARM_UPS_PER_SECOND, warmUp);
    const contents = Array.from({ length: values }, () => new Signer(random).sign(1, clock.now() + TTL_MS));
    await simulation.paced(contents, PUTS_PER_SECOND, async (content) => {
      await put(random.pick(asking), content, TTL_MS);
    });
    tell(`${values} values put`);
    const jobs = jobsInTurn(simulation, gets, contents, asking);
    const results = await getAll(simulation, jobs, getsPerSecond, tell);
    // A value that is never found counts as one that takes for ever.
    const times = results.map((result) => Math.min(result.firstMs, Number.MAX_SAFE_INTEGER));
    const requests = results.map((result) => result.requests);
    return {
      nodes,
      build: 'settled',
      medianRoundTripMs,
      lossPercent,
      gets,
      rightPercent: rounded(percent(results.filter((result) => result.right).length, gets), 3),
      firstMsP50: rounded(quantile(times, 0.5)),
      firstMsP90: rounded(quantile(times, 0.9)),
      firstMsP99: rounded(quantile(times, 0.99)),
      requestsMean: rounded(mean(requests)),
      requestsP99: quantile(requests, 0.99),
    };
  },
});
