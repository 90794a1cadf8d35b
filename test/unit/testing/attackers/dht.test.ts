/** Each attacker on the DHT, as a person starts it, against real daemons: their GETs and PUTs go on, and they count the attack. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ATTACKERS } from '../../../../src/testing/attackers/registry.js';
import { AttackedNetwork, startAttacker } from '../../../support/attacked-network.js';

const CONTENTS = 3;
const COUNTED_MS = 20_000;

const test = suite<{ network: AttackedNetwork }>('attackers on the DHT');

test.before(async (context) => {
  context.network = await AttackedNetwork.start();
  for (let put = 0; put < CONTENTS; put++) await context.network.put();
});

test.after(({ network }) => network.close());

for (const { name, counters } of ATTACKERS) {
  if (!name.startsWith('dht-')) continue;
  test(`${name}: contents are found and stored meanwhile, and it is counted`, async ({ network }) => {
    const before = counters.map((path) => network.counter(path));
    const attacker = await startAttacker(name, network.configFile);
    const end = Date.now() + COUNTED_MS;
    let missing: string[];
    do {
      await network.put();
      const { asked, found } = await network.getKept();
      assert.is(found, asked);
      missing = counters.filter((path, index) => network.counter(path) <= (before[index] as number));
    } while (missing.length > 0 && Date.now() < end);
    const { code, last } = await attacker.stop();
    assert.equal(missing, [], 'counters that did not rise');
    assert.is(code, 0);
    assert.is(last.state, 'over');
    assert.ok(Object.values(last.counts).some((count) => count > 0));
    assert.is(network.counter('dht.state.node.counters.internalErrors'), 0);
  });
}

test.run();
