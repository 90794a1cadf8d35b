/** Calls between two of six whole peers, driven as persons drive them. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runScenario } from '../support/scenario.js';

const test = suite('calls between real peers');
let results: Awaited<ReturnType<typeof runScenario>>;

test.before(async () => {
  results = await runScenario(new URL('./call-scenario.js', import.meta.url));
});

test('an accepted call carries voice both ways until one side hangs up', () => {
  assert.is(results.accepted.state, 'ended');
  assert.is(results.accepted.reason, 'remote-hung-up');
  assert.ok(results.accepted.ringingAfterMs > 0 && results.accepted.answeredAfterMs > 0);
  assert.ok(results.accepted.contact === 'friend' && results.accepted.muted);
  assert.ok(results.statistics.roundTripMs > 0);
  assert.is(results.statistics.voice.rejected, 0);
});

test('a fake call goes the whole way from this peer to itself, and nothing of it is left', () => {
  assert.equal(results.fakeCalls, { begun: 1, answered: 1, gaveWay: 0, failed: 0 });
});

test('a call outlives its exchange point: it goes on by the other one', () => {
  const { calls, resumedAfterMs } = results.outlived;
  assert.is(calls.length, 1);
  assert.equal([calls[0].state, calls[0].interrupted], ['active', false]);
  assert.ok(resumedAfterMs < 45_000);
});

test('a declined call is told as such', () => {
  assert.is(results.declined.reason, 'declined');
});

test('an identity that nobody has published is told as such', () => {
  assert.is(results.unknown.reason, 'unknown-identity');
});

test('a name that is neither contact nor identity is refused with a remedy', () => {
  assert.match(results.noIdentity, /peer: /);
});

test.run();
