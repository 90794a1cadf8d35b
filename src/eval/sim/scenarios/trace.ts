/**
 * Role: the scenario of TRACE among malicious peers: how often is the one it leads to one of them?
 *
 * They lie to TRACE as to all searches: of other peers they name only their own. The tables are settled, with `odds` as
 * for colluders.
 */
import { scenario } from '../scenario.js';
import { Simulation } from '../simulation.js';
import { mean, percent, rounded } from '../statistics.js';

export const trace = scenario({
  name: 'trace',
  summary: 'TRACEs of random keys among peers that lie: the share of malicious targets',
  defaults: {
    nodes: 5_000,
    maliciousPercent: 20,
    odds: 2,
    traces: 100_000,
    askers: 400,
    tracesPerSecond: 500,
    lossPercent: 1,
  },
  async run(parameters, seed, tell) {
    const { nodes, maliciousPercent, odds, traces, askers, tracesPerSecond, lossPercent } = parameters;
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random } = simulation;
    const hostile = Math.round((nodes * maliciousPercent) / 100);
    for (let i = hostile; i < nodes; i++) simulation.addHonest();
    simulation.addColluders(Array.from({ length: hostile }, () => simulation.newContact()));
    simulation.settle(odds);
    tell(`${nodes} peers, ${hostile} of them malicious`);
    const bad = new Set(simulation.hostile.map(({ contact }) => contact.identity.toString('latin1')));
    const asking = Array.from({ length: askers }, () => random.pick(simulation.honest));
    const index = simulation.index();
    const lengths: number[] = [];
    let malicious = 0;
    let closest = 0;
    let hops = 0;
    let badHops = 0;
    const keys = Array.from({ length: traces }, () => random.bytes(32));
    await simulation.paced(keys, tracesPerSecond, async (key, done) => {
      const peer = random.pick(asking);
      const path = (await peer.node.trace(key)) ?? [];
      const target = path[0]?.identity;
      if (target && bad.has(target.toString('latin1'))) malicious += 1;
      const best = index.closest(key, 2).find((contact) => contact !== peer.contact);
      if (target && best?.identity.equals(target)) closest += 1;
      lengths.push(path.length);
      hops += path.length;
      badHops += path.filter((hop) => bad.has(hop.identity.toString('latin1'))).length;
      if (done % 2_000 === 1_999) tell(`${done + 1} traces, ${rounded(percent(malicious, done + 1), 2)} %`);
    });
    return {
      nodes,
      build: 'settled',
      odds,
      traces,
      maliciousPercent,
      maliciousTargetsPercent: rounded(percent(malicious, traces), 2),
      maliciousHopsPercent: rounded(percent(badHops, hops), 2),
      closestPercent: rounded(percent(closest, traces), 2),
      unansweredPercent: rounded(percent(lengths.filter((length) => length === 0).length, traces), 3),
      hopsMean: rounded(mean(lengths)),
    };
  },
});
