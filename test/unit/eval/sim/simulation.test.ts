import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Churn } from '../../../../src/eval/sim/churn.js';
import { getAll, holders, put } from '../../../../src/eval/sim/contents.js';
import { Signer } from '../../../../src/eval/sim/signed-content.js';
import { Simulation } from '../../../../src/eval/sim/simulation.js';

const test = suite('simulation');
const HOUR_MS = 3_600_000;
const area = { medianRoundTripMs: 80, jitterMs: 2, loss: 0.01 };

function requestsOf(simulation: Simulation): number {
  return simulation.honest.reduce((sum, { node }) => sum + node.counters.get('requestsSent'), 0);
}

/** Two contents put and got again in a network of 40; what happened, as one value. */
async function course(seed: string, build: 'joined' | 'settled') {
  const simulation = new Simulation({ seed, peers: 40, ...area });
  for (let i = 0; i < 40; i++) simulation.addHonest();
  if (build === 'joined') await simulation.join(20);
  else simulation.settle();
  const jobs = [];
  for (let i = 0; i < 2; i++) {
    const content = new Signer(simulation.random).sign(1, simulation.clock.now() + HOUR_MS);
    const taken = await simulation.clock.until(
      put(simulation.random.pick(simulation.honest), content, HOUR_MS),
    );
    assert.ok(taken >= 18, `${taken} nodes took it`);
    assert.ok(holders(simulation, content).length >= taken);
    jobs.push({ ...content, peer: simulation.random.pick(simulation.honest) });
  }
  const results = await getAll(simulation, jobs, 10);
  await simulation.clock.advance(60_000);
  const requests = requestsOf(simulation);
  simulation.close();
  return { results, requests, endMs: simulation.clock.now() };
}

for (const build of ['joined', 'settled'] as const) {
  test(`a network that is ${build} finds what was put, and the same seed gives the same course`, async () => {
    const first = await course('course', build);
    assert.ok(first.results.every(({ right }) => right));
    assert.equal(await course('course', build), first);
    assert.not.equal(await course('another', build), first);
  });
}

test('colluders take contents and drop them; the honest ones among the closest keep them', async () => {
  const simulation = new Simulation({ seed: 'colluders', peers: 90, ...area });
  for (let i = 0; i < 60; i++) simulation.addHonest();
  simulation.addColluders(Array.from({ length: 30 }, () => simulation.newContact()));
  simulation.settle(2);
  const content = new Signer(simulation.random).sign(1, simulation.clock.now() + HOUR_MS);
  const peer = simulation.random.pick(simulation.honest);
  assert.ok((await simulation.clock.until(put(peer, content, HOUR_MS))) >= 18);
  const honest = holders(simulation, content).length;
  assert.ok(honest >= 5 && honest <= 20, `${honest} honest holders`);
  const job = { ...content, peer: simulation.random.pick(simulation.honest) };
  assert.ok((await getAll(simulation, [job], 1))[0]?.right);
  simulation.close();
});

test('peers come and go: those that left are silent, about as many come, and all is counted', async () => {
  const simulation = new Simulation({ seed: 'churn', peers: 40, ...area });
  for (let i = 0; i < 40; i++) simulation.addHonest();
  simulation.settle();
  const first = new Set(simulation.honest);
  const options = { medianSessionMs: 4 * 60_000, gapMs: 10_000, restarts: 0.5, staying: 3 };
  const churn = new Churn(simulation, options);
  churn.start();
  await simulation.clock.advance(8 * 60_000);
  assert.ok(churn.departures > 20 && churn.departures - churn.arrivals < 10);
  assert.is(simulation.honest.length, 40 - churn.departures + churn.arrivals);
  const stayed = simulation.honest.filter((peer) => first.has(peer)).length;
  assert.ok(stayed >= 3 && stayed <= 20, `${stayed} of 40 after two medians`);
  const joined = simulation.honest.filter(({ node }) => node.state === 'joined').length;
  assert.ok(joined >= simulation.honest.length - 3);
  for (const peer of first) {
    if (!simulation.honest.includes(peer)) assert.is(peer.node.state, 'closed');
  }
  const { lifeMs, bytesOut, bytesIn } = churn.totals();
  assert.ok(lifeMs > 30 * 8 * 60_000 && lifeMs <= 40 * 8 * 60_000);
  assert.ok(bytesOut > bytesIn && bytesIn > 0, 'what is sent to those that left is lost');
  simulation.close();
});

test.run();
