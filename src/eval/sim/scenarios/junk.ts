/**
 * Role: the scenario of a flood of junk: are self-certifying records lost, and how much memory do the nodes take?
 *
 * A third of the records are put before the flood, a third while it goes on, a third after it, all by honest peers as
 * the API would; those of before get a newer version after it. A record is lost if a GET afterwards does not
 * give its newest version. Memory is that of the whole simulator, everything shared and hostile included, divided by
 * the honest nodes.
 */
import { type GetJob, getAll, put } from '../contents.js';
import { JunkSenders } from '../junk-senders.js';
import { liveBytes } from '../live-memory.js';
import { scenario } from '../scenario.js';
import { type Keyed, Signer } from '../signed-content.js';
import { Simulation } from '../simulation.js';
import { mean, percent, rounded } from '../statistics.js';

const TTL_MS = 43_200_000;
const PUTS_PER_SECOND = 5;

export const junk = scenario({
  name: 'junk',
  summary: 'a flood of junk PUTs among malicious peers: records lost, memory of a node',
  defaults: {
    nodes: 200,
    maliciousPercent: 20,
    puts: 1_000_000,
    putsPerSecond: 4_000,
    replication: 6,
    contentBytes: 1_250,
    aimedPercent: 10,
    signedPercent: 5,
    records: 300,
    lossPercent: 1,
  },
  async run(parameters, seed, tell) {
    const { nodes, maliciousPercent, puts, records, lossPercent } = parameters;
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random, clock } = simulation;
    const hostile = Math.round((nodes * maliciousPercent) / 100);
    for (let i = hostile; i < nodes; i++) simulation.addHonest();
    simulation.addColluders(Array.from({ length: hostile }, () => simulation.newContact()));
    simulation.settle();

    const signers = Array.from({ length: records }, () => new Signer(random));
    const newest = new Map<Signer, Keyed>();
    const taken: number[] = [];
    const putAll = async (some: readonly Signer[], sequence: number) => {
      await simulation.paced(some, PUTS_PER_SECOND, async (signer) => {
        const content = signer.sign(sequence, clock.now() + TTL_MS);
        newest.set(signer, content);
        taken.push(await put(random.pick(simulation.honest), content, TTL_MS));
      });
    };
    const third = Math.floor(records / 3);
    const [early, middle, late] = [
      signers.slice(0, third),
      signers.slice(third, 2 * third),
      signers.slice(2 * third),
    ];
    await putAll(early, 1);
    tell(`${early.length} records put; the flood begins`);

    const flood = new JunkSenders(simulation, [...newest.values()], {
      puts,
      putsPerSecond: parameters.putsPerSecond,
      replication: parameters.replication,
      contentBytes: parameters.contentBytes,
      aimed: parameters.aimedPercent / 100,
      signed: parameters.signedPercent / 100,
    });
    const flooding = flood.run((sent) => tell(`${sent} junk PUTs: ${JSON.stringify(flood.verdicts)}`));
    // Records of the middle come when the stores are half full.
    await clock.advance((1000 * puts) / parameters.putsPerSecond / 2);
    await putAll(middle, 1);
    await clock.until(flooding);
    await putAll(early, 2);
    await putAll(late, 1);

    const jobs = signers.map((signer): GetJob => {
      return { ...(newest.get(signer) as Keyed), peer: random.pick(simulation.honest) };
    });
    const results = await getAll(simulation, jobs, PUTS_PER_SECOND, tell);
    const lost = results.filter((result) => !result.right).length;
    const stored = simulation.honest.map(({ node }) => node.network.parts.store.totals.bytes);
    return {
      nodes,
      build: 'settled',
      honest: simulation.honest.length,
      junkPuts: puts,
      junkStores: puts * parameters.replication,
      junkTaken: flood.verdicts.stored ?? 0,
      junkRefused: flood.verdicts.full ?? 0,
      records,
      recordsLost: lost,
      recordsLostPercent: rounded(percent(lost, records), 2),
      replicasMean: rounded(mean(taken)),
      storeMegabytesMean: rounded(mean(stored) / 2 ** 20),
      storeMegabytesMost: rounded(Math.max(...stored) / 2 ** 20),
      'machine.megabytesPerNode': rounded(liveBytes() / simulation.honest.length / 1e6),
    };
  },
});
