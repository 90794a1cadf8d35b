/** Calls between two of six whole peers, driven as persons drive them. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runInSandbox } from '../../src/eval/sandbox.js';

const SCENARIO = fileURLToPath(new URL('./call-scenario.js', import.meta.url));
const test = suite('calls between real peers');
// biome-ignore lint/suspicious/noExplicitAny: the scenario's results are JSON.
let results: any;

test.before(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-e2e-'));
  await runInSandbox(SCENARIO, [join(directory, 'results.json')]);
  results = JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8'));
  rmSync(directory, { recursive: true });
});

test('the scenario runs to its end', () => {
  if (results.failure !== undefined) throw new Error(Object.entries(results).flat().join('\n'));
});

test('an accepted call carries voice both ways until one side hangs up', () => {
  assert.is(results.accepted.state, 'ended');
  assert.is(results.accepted.reason, 'remote-hung-up');
  assert.ok(results.accepted.ringingAfterMs > 0 && results.accepted.answeredAfterMs > 0);
  assert.ok(results.accepted.contact === 'friend' && results.accepted.muted);
  assert.ok(results.statistics.roundTripMs > 0);
  assert.is(results.statistics.voice.rejected, 0);
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
