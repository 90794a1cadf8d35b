/** Hosts, links and pairs of a scenario. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planNetwork, wantedRoundTripMs } from '../../../../src/eval/scenario/network-plan.js';
import { parseScenarioFile } from '../../../../src/eval/scenario/scenario-file.js';

const test = suite('networks of scenarios');

function planOf(text: string) {
  return planNetwork(parseScenarioFile(`description = "x"\n${text}`, 's.toml').points[0].scenario);
}
const TWO = '[regions.a]\npeers = 3\n[regions.b]\npeers = 2\n';

test('each peer has a host named after its region', () => {
  const { hosts } = planOf(`${TWO}[calls]\n`);
  assert.equal(
    hosts.map(({ name, region }) => `${name} ${region}`),
    ['a1 a', 'a2 a', 'a3 a', 'b1 b', 'b2 b'],
  );
});

test('calls go from the first region to the last one, unless something else is said', () => {
  assert.equal(planOf(`${TWO}[calls]\npairs = 2\n`).pairs, [
    { caller: 'a3', callee: 'b2' },
    { caller: 'a2', callee: 'b1' },
  ]);
  assert.equal(planOf(`${TWO}[calls]\nfrom = "b"\nto = "a"\n`).pairs, [{ caller: 'b2', callee: 'a3' }]);
});

test('nobody is in two pairs, also within one region', () => {
  const { pairs } = planOf('[regions.a]\npeers = 5\n[calls]\npairs = 2\n');
  const people = pairs.flatMap(({ caller, callee }) => [caller, callee]);
  assert.is(new Set(people).size, 4);
});

test('links between regions take from [link] what they do not say themselves, both ways', () => {
  const plan = planOf(
    `${TWO}[calls]\n[link]\ndelayMs = 5\nlossPercent = 1\n[links.a.b]\ndelayMs = 90\n[links.a.a]\ndelayMs = 0\n`,
  );
  const linkOf = (from: string, to: string) =>
    plan.links.findLast((link) => link.from.includes(from) && link.to.includes(to));
  for (const [from, to] of [
    ['a1', 'b1'],
    ['b1', 'a1'],
  ] as const)
    assert.equal([linkOf(from, to)?.delayMs, linkOf(from, to)?.lossPercent], [90, 1]);
  assert.is(linkOf('a1', 'a2')?.delayMs, 0);
  assert.is(linkOf('b1', 'b2')?.delayMs, 5);
  assert.is(wantedRoundTripMs(plan, 'a1', 'b2'), 180);
  assert.is(wantedRoundTripMs(plan, 'b1', 'b2'), 10);
});

test.run();
