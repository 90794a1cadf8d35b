/** Attackers next to a key do not take all copies of what is put there: of one host never, of several not those of a record. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { getAll, holders, jobsInTurn, put } from '../../../../src/eval/sim/contents.js';
import { Signer } from '../../../../src/eval/sim/signed-content.js';
import { Simulation } from '../../../../src/eval/sim/simulation.js';
import { RECORD_COPIES } from '../../../../src/voip/registration.js';

const TTL_MS = 43_200_000;
const GETS = 20;
/** REPLICATION where the config names none. */
const USUAL_COPIES = 5;

const test = suite('eclipse of a key');

interface Eclipse {
  readonly honest: number;
  readonly sybils: number;
  /** How many /24 they are in. */
  readonly networks: number;
  readonly copies: number;
  /** Of these, at honest peers. */
  readonly leastHonest: number;
}

const CASES: readonly Eclipse[] = [
  { honest: 12, sybils: 8, networks: 1, copies: USUAL_COPIES, leastHonest: 4 },
  { honest: 50, sybils: 8, networks: 1, copies: USUAL_COPIES, leastHonest: 4 },
  { honest: 50, sybils: 20, networks: 5, copies: RECORD_COPIES, leastHonest: 15 },
];

for (const { honest, sybils, networks, copies, leastHonest } of CASES) {
  test(`${sybils} nodes in ${networks} /24 at a key, in a network of ${honest}: of ${copies} copies ${leastHonest} are with others, and all find them`, async () => {
    const area = { medianRoundTripMs: 80, jitterMs: 2, loss: 0 };
    const simulation = new Simulation({ seed: 'eclipse', peers: honest, ...area });
    const { random, clock, addresses } = simulation;
    for (let made = 0; made < honest; made++) simulation.addHonest();
    const content = new Signer(random).sign(1, clock.now() + TTL_MS);
    const near = Array.from({ length: networks }, () => addresses.network());
    const contacts = Array.from({ length: sybils }, (_, index) =>
      simulation.newContact(
        addresses.inNetwork(() => near[index % networks] as string),
        Buffer.concat([content.key.subarray(0, 6), random.bytes(26)]),
      ),
    );
    simulation.addColluders(contacts, () => ({ hide: true }));
    simulation.settle();
    await clock.until(put(simulation.honest[0] as (typeof simulation.honest)[0], content, TTL_MS, copies));
    assert.ok(holders(simulation, content).length >= leastHonest);
    const jobs = jobsInTurn(simulation, GETS, [content], simulation.honest);
    const results = await getAll(simulation, jobs, 5, () => {});
    assert.is(results.filter(({ right }) => right).length, GETS);
    simulation.close();
  });
}

test.run();
