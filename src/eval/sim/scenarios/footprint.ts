/** Role: the scenario that shows what a node costs the simulator: memory, timers, time. */
import { performance } from 'node:perf_hooks';
import { get, put } from '../contents.js';
import { liveBytes } from '../live-memory.js';
import { scenario } from '../scenario.js';
import { Signer } from '../signed-content.js';
import { Simulation } from '../simulation.js';
import { mean, rounded } from '../statistics.js';

const TTL_MS = 3_600_000;

export const footprint = scenario({
  name: 'footprint',
  summary: 'what a node costs: memory before and after traffic, timers, time for a request',
  defaults: { nodes: 1_000, gets: 200, seconds: 60, joins: 0 },
  async run({ nodes, gets, seconds, joins }, seed, tell) {
    const startBytes = liveBytes();
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: 0.01 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    for (let i = 0; i < nodes; i++) simulation.addHonest();
    const bareBytes = liveBytes() - startBytes;
    const builtAt = performance.now();
    if (joins > 0) await simulation.join(joins);
    else simulation.settle();
    const buildMs = performance.now() - builtAt;
    const builtBytes = liveBytes() - startBytes;
    tell(`built in ${Math.round(buildMs)} ms`);
    const requests = () =>
      simulation.honest.reduce((sum, { node }) => sum + node.counters.get('requestsSent'), 0);
    const before = requests();
    const trafficAt = performance.now();
    for (let i = 0; i < gets; i++) {
      const content = new Signer(simulation.random).sign(1, simulation.clock.now() + TTL_MS);
      const putter = simulation.random.pick(simulation.honest);
      await simulation.clock.until(put(putter, content, TTL_MS));
      const peer = simulation.random.pick(simulation.honest);
      await simulation.clock.until(get(simulation, { ...content, peer }));
    }
    await simulation.clock.advance(seconds * 1000);
    const trafficMs = performance.now() - trafficAt;
    const sent = requests() - before;
    const sizes = simulation.honest.map(({ node }) => node.network.parts.table.size);
    const sessions = simulation.honest.map(({ node }) => {
      const { confirmed, unconfirmed } = node.network.parts.rpc.sessions.size;
      return confirmed + unconfirmed;
    });
    const busyBytes = liveBytes() - startBytes;
    return {
      nodes,
      build: joins > 0 ? 'joined' : 'settled',
      requests: sent,
      contactsMean: rounded(mean(sizes)),
      sessionsMean: rounded(mean(sessions)),
      timersPerNode: rounded(simulation.clock.timers / nodes),
      'machine.bareKilobytesPerNode': rounded(bareBytes / nodes / 1000),
      'machine.builtKilobytesPerNode': rounded(builtBytes / nodes / 1000),
      'machine.busyKilobytesPerNode': rounded(busyBytes / nodes / 1000),
      'machine.buildMs': Math.round(buildMs),
      'machine.microsecondsPerRequest': rounded((trafficMs * 1000) / sent),
    };
  },
});
