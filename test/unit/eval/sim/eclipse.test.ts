/** An attacker of one host next to a key does not take all copies, however small the network is. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { getAll, holders, jobsInTurn, put } from '../../../../src/eval/sim/contents.js';
import { Signer } from '../../../../src/eval/sim/signed-content.js';
import { Simulation } from '../../../../src/eval/sim/simulation.js';

const SYBILS = 8;
const REPLICATION = 5;
const TTL_MS = 43_200_000;
const GETS = 20;

const test = suite('eclipse of a key');

for (const honest of [12, 50]) {
  test(`${SYBILS} nodes of one /24 at a key, in a network of ${honest}: copies stay with others, and all find them`, async () => {
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: 0 };
    const simulation = new Simulation({ seed: 'eclipse', peers: honest, ...area });
    const { random, clock, addresses } = simulation;
    for (let made = 0; made < honest; made++) simulation.addHonest();
    const content = new Signer(random).sign(1, clock.now() + TTL_MS);
    const network = addresses.network();
    const sybils = Array.from({ length: SYBILS }, () =>
      simulation.newContact(
        addresses.inNetwork(() => network),
        Buffer.concat([content.key.subarray(0, 6), random.bytes(26)]),
      ),
    );
    simulation.addColluders(sybils, () => ({ hide: true }));
    simulation.settle();
    await clock.until(
      put(simulation.honest[0] as (typeof simulation.honest)[0], content, TTL_MS, REPLICATION),
    );
    assert.ok(holders(simulation, content).length >= REPLICATION - 1);
    const jobs = jobsInTurn(simulation, GETS, [content], simulation.honest);
    const results = await getAll(simulation, jobs, 5, () => {});
    assert.is(results.filter(({ right }) => right).length, GETS);
    simulation.close();
  });
}

test.run();
