/**
 * Role: the scenario of peers that come and go for hours: what was put stays until its TTL ends, and no longer; and what
 * upkeep costs.
 *
 * Half of the values are self-certifying. They are put at the beginning by peers that may go like any other, and nobody
 * puts them again. Bytes are those of datagrams without IP and UDP headers, in one direction, over all peers, also for
 * what they serve of the few GETs of the measurement itself.
 */

import { Churn } from '../churn.js';
import { get, put } from '../contents.js';
import { scenario } from '../scenario.js';
import { type Keyed, Signer } from '../signed-content.js';
import { type HonestPeer, Simulation } from '../simulation.js';
import { percent, quantile, rounded } from '../statistics.js';

const MINUTE_MS = 60_000;
const JOINS_PER_SECOND = 10;
const PUTS_PER_SECOND = 50;
const REPLICATION = 20;
const STAYING = 3;
const GAP_MS = 30_000;
const PAYLOAD_BYTES = 300;
/** Self-certifying values end with their TTL, not with their signature. */
const SIGNED_FOR_MS = 86_400_000;

interface Value extends Keyed {
  readonly endsMs: number;
}

export const churn = scenario({
  name: 'churn',
  summary: 'values and upkeep while peers come and go',
  defaults: {
    nodes: 1_000,
    minutes: 720,
    medianSessionMinutes: 60,
    restartPercent: 30,
    values: 1_000,
    getsPerMinute: 20,
    lossPercent: 1,
    settled: 0,
  },
  async run(parameters, seed, tell) {
    const { nodes, minutes, medianSessionMinutes, restartPercent, values, getsPerMinute, lossPercent } =
      parameters;
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: lossPercent / 100 };
    const simulation = new Simulation({ seed, peers: nodes, ...area });
    const { random, clock } = simulation;
    for (let i = 0; i < nodes; i++) simulation.addHonest();
    if (parameters.settled > 0) simulation.settle();
    else await simulation.join(JOINS_PER_SECOND);
    tell(`${nodes} nodes ${parameters.settled > 0 ? 'settled' : 'joined'}`);

    const ttlMs = minutes * MINUTE_MS;
    const contents = await putValues(simulation, values, ttlMs);
    const startMs = clock.now();
    const coming = new Churn(simulation, {
      medianSessionMs: medianSessionMinutes * MINUTE_MS,
      gapMs: GAP_MS,
      restarts: restartPercent / 100,
      staying: STAYING,
    });
    const before = totalsOf(simulation.honest);
    coming.start();

    let gets = 0;
    let found = 0;
    const once = async (value: Value) => {
      const peer = random.pick(simulation.honest.filter(({ node }) => node.state === 'joined'));
      // The TTL may end, or the peer go, while a GET is under way: such a one says nothing.
      const { right } = await get(simulation, { ...value, peer });
      if (peer.node.state === 'closed' || clock.now() >= value.endsMs) return;
      gets += 1;
      if (right) found += 1;
    };
    const lastMs = Math.min(...contents.map(({ endsMs }) => endsMs));
    let minute = 0;
    for (; startMs + (minute + 1) * MINUTE_MS < lastMs; minute++) {
      const chosen = Array.from({ length: getsPerMinute }, () => random.pick(contents));
      const endMs = clock.now() + MINUTE_MS;
      await simulation.paced(chosen, getsPerMinute / 50, once);
      await clock.advance(endMs - clock.now());
      if (minute % 10 === 9)
        tell(`minute ${minute + 1}: ${found} of ${gets} GETs found, ${coming.departures} gone`);
    }
    const totals = coming.totals();
    const seconds = (clock.now() - startMs) / 1000;
    const perNode = (name: 'bytesOut' | 'bytesIn' | 'requestsSent') =>
      (totals[name] - before[name]) / (totals.lifeMs / 1000);
    coming.stop();

    const late = await lateContents(simulation, contents);
    const sizes = simulation.honest.map(({ node }) => node.network.parts.table.size);
    return {
      nodes,
      build: parameters.settled > 0 ? 'settled' : 'joined',
      hours: rounded(seconds / 3600, 2),
      departures: coming.departures,
      arrivals: coming.arrivals,
      values,
      gets,
      foundPercent: rounded(percent(found, gets), 3),
      ...late,
      upkeepKilobytesPerSecondSent: rounded(perNode('bytesOut') / 1000, 3),
      upkeepKilobytesPerSecondReceived: rounded(perNode('bytesIn') / 1000, 3),
      requestsPerSecond: rounded(perNode('requestsSent'), 3),
      contactsP50: quantile(sizes, 0.5),
    };
  },
});

async function putValues(simulation: Simulation, count: number, ttlMs: number): Promise<Value[]> {
  const { random, clock } = simulation;
  const values: Value[] = [];
  await simulation.paced(new Array<null>(count).fill(null), PUTS_PER_SECOND, async (_, index) => {
    const content =
      index % 2 === 0
        ? new Signer(random).sign(1, clock.now() + SIGNED_FOR_MS, PAYLOAD_BYTES)
        : { key: random.bytes(32), content: random.bytes(PAYLOAD_BYTES) };
    values.push({ ...content, endsMs: clock.now() + ttlMs });
    await put(random.pick(simulation.honest), content, ttlMs, REPLICATION);
  });
  return values;
}

/** How much is still held one second after the end of each value's TTL, and how long the longest is held beyond it. */
async function lateContents(simulation: Simulation, values: readonly Value[]) {
  const { clock } = simulation;
  let lateReplicas = 0;
  const lateValues = new Set<Value>();
  let longestMs = 0;
  for (const value of values.toSorted((a, b) => a.endsMs - b.endsMs)) {
    await clock.advance(value.endsMs + 1_000 - clock.now());
    for (const { node } of simulation.honest) {
      for (const held of node.network.parts.store.get(value.key, clock.now())) {
        lateReplicas += 1;
        lateValues.add(value);
        longestMs = Math.max(longestMs, held.expiresAtMs - value.endsMs);
      }
    }
  }
  return { lateValues: lateValues.size, lateReplicas, longestLateMs: Math.round(longestMs) };
}

function totalsOf(peers: readonly HonestPeer[]) {
  const sum = (name: 'bytesOut' | 'bytesIn' | 'requestsSent') =>
    peers.reduce((total, { node }) => total + node.counters.get(name), 0);
  return { bytesOut: sum('bytesOut'), bytesIn: sum('bytesIn'), requestsSent: sum('requestsSent') };
}
