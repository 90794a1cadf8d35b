/** What mininet is told of a scenario: switches, lines and addresses. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { beyondTcLinks, lineTopology, plainTopology } from '../../../../src/eval/mininet/topology.js';
import { planNetwork } from '../../../../src/eval/scenario/network-plan.js';
import { parseScenarioFile } from '../../../../src/eval/scenario/scenario-file.js';

const test = suite('networks of mininet');

function planOf(text: string) {
  const scenario = `description = "x"\n${text}\n[calls]\n`;
  return planNetwork(parseScenarioFile(scenario, 's.toml').points[0].scenario);
}
const THREE = '[regions.a]\npeers = 3\n[regions.b]\npeers = 1\n[regions.c]\npeers = 2\n';
const LINKS =
  '[link]\ndelayMs = 5\n[links.a.a]\njitterMs = 1\nlossPercent = 2\n[links.a.c]\ndelayMs = 90\nrateKbps = 800\nqueueMs = 60\n';

test('each region has a switch of its own and one for each other region, in no ring', () => {
  const { switches, trunks } = lineTopology(planOf(THREE));
  assert.equal(switches, ['s1', 's1to2', 's1to3', 's2to1', 's2', 's2to3', 's3to1', 's3to2', 's3']);
  assert.equal(
    trunks.map(({ one, other }) => `${one} ${other}`),
    ['s1to2 s2to1', 's1to3 s3to1', 's2to3 s3to2'],
  );
});

test('what goes from one host to another takes exactly the line of their regions', () => {
  const { hosts, trunks } = lineTopology(planOf(`${THREE}${LINKS}`));
  const plain = { delay: '5ms', max_queue_size: 100_000 };
  const slow = { delay: '90ms', bw: 0.8, max_queue_size: 10 };
  assert.equal(
    trunks.map(({ there, back }) => [there, back]),
    [
      [plain, plain],
      [slow, slow],
      [plain, plain],
    ],
  );
  for (const { name, plugs } of hosts) {
    const home = name.startsWith('a') ? { ...plain, jitter: '1ms', loss: 2 } : plain;
    assert.equal(
      plugs.map(({ sends }) => sends),
      [home, {}, {}],
      name,
    );
  }
});

test('a host has one address of each family, and a route to each other region by the switch for it', () => {
  const { hosts } = lineTopology(planOf(THREE));
  const last = hosts.at(-1);
  assert.equal([last?.name, last?.ipv4, last?.ipv6], ['c2', '10.202.3.2', 'fd00:202:3::2']);
  assert.equal(
    last?.plugs.map((plug) => [plug.switch, plug.addresses, plug.routes.map(({ to }) => to)]),
    [
      ['s3', ['10.202.3.2/24', 'fd00:202:3::2/64'], []],
      ['s3to1', ['fd00:202:3::2/128'], ['10.202.1.0/24', 'fd00:202:1::/64']],
      ['s3to2', ['fd00:202:3::2/128'], ['10.202.2.0/24', 'fd00:202:2::/64']],
    ],
  );
});

test('where lines are made by others, a region is a switch, and there is nothing for tc', () => {
  const { switches, hosts, trunks } = plainTopology(planOf(`${THREE}${LINKS}`));
  assert.equal(switches, ['s1', 's2', 's3']);
  assert.equal(
    trunks.map(({ one, other }) => `${one} ${other}`),
    ['s1 s2', 's2 s3'],
  );
  assert.equal(
    hosts.map(({ name, plugs }) => `${name} ${plugs.map((plug) => plug.switch)}`),
    ['a1 s1', 'a2 s1', 'a3 s1', 'b1 s2', 'c1 s3', 'c2 s3'],
  );
  assert.is(new Set(hosts.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])).size, 12);
  const settings = [
    ...hosts.flatMap(({ plugs }) => plugs.map(({ sends }) => sends)),
    ...trunks.flatMap(({ there, back }) => [there, back]),
  ];
  assert.is(settings.flatMap((one) => Object.keys(one)).length, 0);
});

test('perfect links are told to nobody', () => {
  const { trunks } = lineTopology(planOf(THREE));
  assert.equal(trunks[0]?.there, {});
});

test('what mininet has no words for is known before', () => {
  const many = Array.from({ length: 9 }, (_, index) => `[regions.r${index}]\npeers = 1\n`).join('');
  assert.is(beyondTcLinks(planOf(`${THREE}${LINKS}`)), null);
  assert.match(
    beyondTcLinks(planOf(`${THREE}[link]\nlossPercent = 1\nburstPackets = 3\n`)) ?? '',
    /bursts of loss/,
  );
  assert.match(
    beyondTcLinks(planOf(`${THREE}[link]\nreorderPercent = 1\nreorderMs = 3\n`)) ?? '',
    /reordering/,
  );
  assert.match(
    beyondTcLinks(planOf(`${THREE}[link]\nrateKbps = 2000000\nqueueMs = 3\n`)) ?? '',
    /rates above/,
  );
  assert.match(beyondTcLinks(planOf(many)) ?? '', /more than 8 regions/);
});

test.run();
