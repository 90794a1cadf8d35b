/** `peer eval run` on the smallest scenario: real peers, a real call, all reports; and its end by Ctrl-C. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readResults } from '../../src/eval/report/results.js';
import { runPeer, startPeer } from '../support/run-peer.js';

const SMOKE = fileURLToPath(new URL('../../../config/scenarios/smoke.toml', import.meta.url));

const test = suite<{ directory: string }>('evaluations');
test.before((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-e2e-eval-'));
  // What works for this test has the directory in its command line.
  process.env.TMPDIR = context.directory;
});
test.after(({ directory }) => rmSync(directory, { recursive: true }));

test('a scenario runs, and all that it names is measured', async ({ directory }) => {
  const out = join(directory, 'smoke');
  const { code, stdout, stderr } = await runPeer('eval', 'run', SMOKE, '--out', out, '--json');
  assert.is(code, 0, `${stdout}${stderr}`);
  assert.is(stderr, '');
  const { passed, points } = JSON.parse(stdout);
  assert.ok(passed);
  assert.is(points.length, 1);
  for (const [name, { count, mean }] of Object.entries<{ count: number; mean: number }>(points[0].measures)) {
    assert.ok(count > 0 && Number.isFinite(mean), name);
  }
  const { measures } = points[0];
  // Six links of 5 ms; more than a second would be a fault of the measuring.
  assert.ok(measures.mouthToEarMs.mean >= 30 && measures.mouthToEarMs.mean < 1_000);
  assert.ok(measures.roundTripMs.mean >= 2 * 6 * 4);
  assert.is(measures.lossPercent.max, 0);
  const [trial] = readResults(out).trials;
  assert.equal([trial?.peers.length, trial?.calls.length], [5, 1]);
  assert.ok(trial?.emulator?.by === 'peer-wan' && trial.emulator.failed === 0);
  for (const { peer, sentKbps, receivedKbps, cpuPercent } of trial?.peers ?? [])
    assert.ok(sentKbps > 1 && receivedKbps > 1 && (cpuPercent ?? 0) > 0, peer);
  assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /<svg/);
  assert.is(readFileSync(join(out, 'calls.csv'), 'utf8').trim().split('\n').length, 3);
  assert.not.ok(existsSync(join(out, 'trial-1')), 'logs are kept of what failed');
});

test('Ctrl-C ends it with what there is, and nothing goes on', async ({ directory }) => {
  const out = join(directory, 'interrupted');
  const running = startPeer('eval', 'run', SMOKE, '--out', out);
  await running.until(/is started/);
  running.child.kill('SIGINT');
  const { code, stderr } = await running.ended;
  assert.is(code, 130, stderr);
  const results = readResults(out);
  assert.equal([results.state, results.trials.length], ['interrupted', 0]);
  assert.ok(existsSync(join(out, 'report.html')));
  const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  assert.not.ok(processes.includes(directory), processes);
});

test.run();
