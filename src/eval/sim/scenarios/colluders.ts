/**
 * Role: the scenario of peers that hang together and poison tables: what is put among them, is it found?
 *
 * Values are put by honest peers of the attacked network, one value each, and got by others. The tables are settled;
 * `odds` is how many times likelier a colluder gets into a bucket that has a choice, 1 being its share; with `hide` at 1, and
 * for the share `forge` of them, they do what collusion.ts says under these names. With `unsigned` at 1 the values are
 * contents under keys that can sign nothing.
 */
import { getAll, holders, jobsInTurn, put } from '../contents.js';
import { scenario } from '../scenario.js';
import { Signer, unsigned } from '../signed-content.js';
import { Simulation } from '../simulation.js';
import { mean, percent, quantile, rounded } from '../statistics.js';

const TTL_MS = 43_200_000;
/** So that no upkeep falls between putting and getting, all of it is soon over. */
const PUTS_PER_SECOND = 200;
const REST_MS = 5_000;

export const colluders = scenario({
  name: 'colluders',
  summary: 'GETs of values among peers that collude, lie about others and drop what they store',
  defaults: {
    nodes: 10_000,
    colludersPercent: 50,
    odds: 2,
    values: 2_000,
    gets: 10_000,
    getsPerSecond: 200,
    lossPercent: 1,
    hide: 0,
    forge: 0,
    unsigned: 0,
    replicas: 20,
  },
  async run(parameters, seed, tell) {
    const { nodes, colludersPercent, odds, values, gets, getsPerSecond, lossPercent, hide, forge } =
      parameters;
    const { replicas: replication } = parameters;
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random, clock } = simulation;
    const hostile = Math.round((nodes * colludersPercent) / 100);
    for (let i = hostile; i < nodes; i++) simulation.addHonest();
    simulation.addColluders(
      Array.from({ length: hostile }, () => simulation.newContact()),
      (index) => ({ hide: hide > 0, forge: index < forge * hostile }),
    );
    simulation.settle(odds);
    tell(`${nodes} peers, ${hostile} of them colluding`);

    const make = () =>
      parameters.unsigned > 0 ? unsigned(random) : new Signer(random).sign(1, clock.now() + TTL_MS);
    const contents = Array.from({ length: values }, make);
    const acknowledged: number[] = [];
    await simulation.paced(contents, PUTS_PER_SECOND, async (content) => {
      acknowledged.push(await put(random.pick(simulation.honest), content, TTL_MS, replication));
    });
    await clock.advance(REST_MS);
    const replicas = contents.map((content) => holders(simulation, content).length);
    tell(`${values} values put, honest replicas ${rounded(mean(replicas))} of ${replication}`);

    const jobs = jobsInTurn(simulation, gets, contents, simulation.honest);
    const results = await getAll(simulation, jobs, getsPerSecond, tell);
    const right = results.filter((result) => result.right);
    const requests = results.map((result) => result.requests);
    const times = right.map((result) => result.firstMs);
    const inTables = simulation.honest.flatMap(({ node }) => node.network.parts.table.contacts());
    const bad = new Set(simulation.hostile.map(({ contact }) => contact));
    return {
      nodes,
      build: 'settled',
      odds,
      hide,
      forge,
      unsigned: parameters.unsigned,
      colludersInTablesPercent: rounded(
        percent(inTables.filter((one) => bad.has(one)).length, inTables.length),
      ),
      acknowledgedMean: rounded(mean(acknowledged)),
      honestReplicasMean: rounded(mean(replicas)),
      valuesWithoutReplica: replicas.filter((count) => count === 0).length,
      gets,
      rightPercent: rounded(percent(right.length, gets), 3),
      requestsMean: rounded(mean(requests)),
      requestsP99: quantile(requests, 0.99),
      firstMsP50: rounded(quantile(times, 0.5)),
      firstMsP99: rounded(quantile(times, 0.99)),
    };
  },
});
