/**
 * Role: the scenario of peers that have been ground next to a key and wait there before something is put.
 *
 * Each key has a hundred of its own, in a few /24, closer than any honest peer and told of by all their neighbours'
 * tables; all of them collude. Their positions are granted: what grinding costs is the puzzle's affair.
 */
import { getAll, holders, jobsInTurn, put } from '../contents.js';
import { scenario } from '../scenario.js';
import { Signer } from '../signed-content.js';
import { Simulation } from '../simulation.js';
import { mean, percent, quantile, rounded } from '../statistics.js';

const TTL_MS = 43_200_000;
const REST_MS = 5_000;
/** Leading bytes that a ground position shares with the key: far more than any honest one. */
const SHARED_BYTES = 6;

export const sybils = scenario({
  name: 'sybils',
  summary: 'ids ground next to a key, in few /24, there before the PUT: replicas at honest peers, and GETs',
  defaults: {
    nodes: 10_000,
    keys: 10,
    sybils: 100,
    networks: 5,
    gets: 10_000,
    getsPerSecond: 200,
    lossPercent: 1,
  },
  async run(parameters, seed, tell) {
    const { nodes, keys, networks, gets, getsPerSecond, lossPercent } = parameters;
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random, clock, addresses } = simulation;
    for (let i = 0; i < nodes; i++) simulation.addHonest();
    const contents = Array.from({ length: keys }, () => new Signer(random).sign(1, clock.now() + TTL_MS));
    for (const { key } of contents) {
      const near = Array.from({ length: networks }, () => addresses.network());
      const contacts = Array.from({ length: parameters.sybils }, () => {
        const position = Buffer.concat([key.subarray(0, SHARED_BYTES), random.bytes(32 - SHARED_BYTES)]);
        return simulation.newContact(
          addresses.inNetwork(() => random.pick(near)),
          position,
        );
      });
      simulation.addColluders(contacts);
    }
    simulation.settle();
    tell(`${nodes} honest peers, ${keys} keys with ${parameters.sybils} sybils each in ${networks} /24`);

    await simulation.paced(contents, 1, async (content) => {
      await put(random.pick(simulation.honest), content, TTL_MS);
    });
    await clock.advance(REST_MS);
    const replicas = contents.map((content) => holders(simulation, content).length);
    tell(`honest replicas: ${replicas.join(', ')}`);
    const jobs = jobsInTurn(simulation, gets, contents, simulation.honest);
    const results = await getAll(simulation, jobs, getsPerSecond, tell);
    const right = results.filter((result) => result.right);
    const requests = results.map((result) => result.requests);
    return {
      nodes,
      build: 'settled',
      keys,
      honestReplicasMin: Math.min(...replicas),
      honestReplicasMean: rounded(mean(replicas)),
      gets,
      rightPercent: rounded(percent(right.length, gets), 3),
      requestsMean: rounded(mean(requests)),
      requestsP99: quantile(requests, 0.99),
    };
  },
});
