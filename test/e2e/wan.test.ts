/** Hosts joined by emulated links: devices, addresses, delay; what the emulator decides is tested in crates/netem. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runScenario } from '../support/scenario.js';

const test = suite('emulated links');
let results: Awaited<ReturnType<typeof runScenario>>;

test.before(async () => {
  results = await runScenario(new URL('./wan-scenario.js', import.meta.url));
});

for (const family of ['ipv4', 'ipv6']) {
  test(`${family}: every echo takes the delay of both directions at least`, () => {
    assert.is(results[family].roundTripsMs.length, results.echoes);
    for (const time of results[family].roundTripsMs) {
      assert.ok(time >= 2 * (results.link.delayMs - results.link.jitterMs), `${time} ms`);
    }
  });
}

test('a link of a kind of its own has its own delay, one way alone', () => {
  const { link, slow } = results;
  assert.is(results.differing.roundTripsMs.length, results.echoes);
  for (const time of results.differing.roundTripsMs) {
    assert.ok(time >= slow.delayMs + link.delayMs - link.jitterMs, `${time} ms`);
  }
  // Twice the slow delay would be both ways.
  assert.ok(Math.min(...results.differing.roundTripsMs) < 2 * slow.delayMs);
});

test('a chain of forwarders carries echoes both ways', () => {
  assert.is(results.chain.roundTripsMs.length, results.echoes);
  for (const time of results.chain.roundTripsMs) {
    assert.ok(time >= 4 * (results.link.delayMs - results.link.jitterMs), `${time} ms`);
  }
});

test('all that took emulated links is accounted for, and nothing between management addresses did', () => {
  const { offered, delivered, lost, queueFull, noRoom, unwritten, malformed } = results.report;
  assert.is(results.managed.roundTripsMs.length, results.echoes);
  // Two links for each family's echo and for those over the slow link, four for one through the chain.
  assert.is(offered, results.echoes * (2 + 2 + 2 + 4));
  assert.is(delivered, offered);
  assert.equal([lost, queueFull, noRoom, unwritten, malformed], [0, 0, 0, 0, 0]);
});

test.run();
