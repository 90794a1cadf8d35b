/** KX attackers against real peers: calls go on, nothing altered is delivered, and honest peers show what was tried. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runScenario } from '../support/scenario.js';

const test = suite('KX attackers');
type Counts = Readonly<Record<string, number>>;
let results: Awaited<ReturnType<typeof runScenario>>;

test.before(async () => {
  results = await runScenario(new URL('./attackers-scenario.js', import.meta.url));
});

const RELAYS = ['drop', 'delay', 'replay', 'modify', 'tag', 'crash'] as const;

test('nothing that a relay has altered or replayed is delivered', () => {
  for (const name of RELAYS) assert.is(results[name].odd, 0, name);
});

test('a call whose cells are dropped, held up, altered or lost in a crash goes on over other hops', () => {
  for (const name of ['drop', 'delay', 'modify', 'crash']) {
    const { last, sent, received } = results[name];
    assert.ok(last >= 95, `${name}: ${last} of the last 100; ${received} of ${sent}`);
  }
});

test('dropped cells are missed by the two ends', () => {
  const { done, caller } = results.drop;
  assert.ok(done['cells dropped'] > 20, JSON.stringify(done));
  assert.ok(caller.lossy >= 1 && shown('flows_lossy') >= 1);
});

test('cells held up are missed by the pings of their circuit', () => {
  const { done, caller, firstMs, lastMs } = results.delay;
  assert.ok(done['cells delayed'] > 50, JSON.stringify(done));
  assert.ok(caller.circuits_slow >= 1 && caller.lossy >= 1);
  assert.ok(lastMs < firstMs / 2, `${firstMs} ms at first, ${lastMs} ms at last`);
});

test('replayed cells cost a call nothing', () => {
  const { done, sent, received } = results.replay;
  assert.ok(done['cells replayed'] > 50, JSON.stringify(done));
  assert.ok(received >= sent * 0.95, `${received} of ${sent}`);
  assert.ok(shown('cells_replayed') > 50);
});

test('an attacker that waits for a call begins once there is one', () => {
  assert.ok(results.waited);
  assert.ok(results.replay.done['cells replayed'] > 50);
});

test('altered cells are noise', () => {
  assert.ok(results.modify.done['cells altered'] > 10, JSON.stringify(results.modify.done));
  assert.ok(results.modify.caller.lossy >= 1);
  assert.ok(shown('cells_unrecognised') > 10);
});

test('marked cells are lost, and no mark is found', () => {
  const { done, caller } = results.tag;
  assert.ok(done['cells tagged'] > 5, JSON.stringify(done));
  assert.is(done['marks found'] ?? 0, 0);
  assert.ok(caller.cells_unrecognised + results.honest[0].cells_unrecognised > 0);
});

test('a relay that crashes in a call is replaced at once', () => {
  const { done, caller } = results.crash;
  assert.ok(done['crashes in a call'] >= 1, JSON.stringify(done));
  assert.ok(caller.repaired >= 1 && caller.links_silent >= 1);
});

test('whoever is spliced to a hijacker hears an error, and blames no relay of its own', () => {
  assert.is(results.stolen, 'kx-error');
  assert.ok(results.hijackDone['callers stolen'] >= 1, JSON.stringify(results.hijackDone));
  assert.ok(results.stolenFrom.flows_unanswered >= 1);
  assert.is(results.blamed, 0);
});

test('a pseudo-identity whose owner signs is registered by nobody else', () => {
  const [exchangePoint] = results.honest;
  assert.ok(exchangePoint.registrations_refused >= 1);
  assert.ok(exchangePoint.registrations_invalid >= 1);
});

test('a call goes on beside floods and malformed datagrams, cells and messages, which are counted', () => {
  const { received, sent } = results.beside;
  assert.ok(received >= sent * 0.95, `${received} of ${sent}`);
  for (const name of [
    ...['datagrams_of_handshakes', 'circuits_over_limit', 'cells_unknown_circuit'],
    ...[
      'datagrams_malformed',
      'datagrams_unknown_link',
      'cookies_refused',
      'cells_malformed',
      'circuits_refused',
    ],
  ]) {
    assert.ok(risen(name) > 0, name);
  }
});

test('attackers end when they are told to', () => {
  assert.is(results.stopped.length, RELAYS.length + 3);
  for (const end of results.stopped) assert.ok(end.endsWith(' 0 over'), end);
});

/** At the honest peers and the callers of the relays that lie. */
function shown(name: string): number {
  const all: Counts[] = [...results.honest, ...RELAYS.map((relay) => results[relay].caller)];
  return sum(all, name);
}

/** Since the relays have ended, at the honest peers. */
function risen(name: string): number {
  return sum(results.afterFloods, name) - sum(results.honest, name);
}

function sum(all: readonly Counts[], name: string): number {
  return all.reduce((total, counts) => total + (counts[name] ?? 0), 0);
}

test.run();
