/** `peer eval` as a person meets it, where nothing has to run. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runPeer } from '../../support/run-peer.js';
import { sampleCall, sampleResults, sampleTrial } from '../eval/report/sample-results.js';

const SOURCES = fileURLToPath(new URL('../../../../src/', import.meta.url));

const test = suite<{ directory: string }>('peer eval');
test.before((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-eval-cli-'));
});
test.after(({ directory }) => rmSync(directory, { recursive: true }));

function evaluation(below: string, name: string, delaysMs: readonly number[]): string {
  const directory = join(below, name);
  mkdirSync(directory);
  const trials = delaysMs.map((delay) => sampleTrial({ 'calls.pairs': 1 }, [sampleCall(delay, 4)]));
  writeFileSync(join(directory, 'results.json'), JSON.stringify(sampleResults(trials)));
  return directory;
}

test('mistakes of a scenario are told with their lines and a remedy, and nothing runs', async ({
  directory,
}) => {
  const file = join(directory, 'odd.toml');
  writeFileSync(file, 'description = "odd"\n[regions.all]\npeers = 4\n[calls]\ncounts = 1\n');
  const out = join(directory, 'odd');
  const { code, stderr, stdout } = await runPeer('eval', 'run', file, '--out', out);
  assert.is(code, 1);
  assert.is(stdout, '');
  assert.match(stderr, `peer: ${file}:5: calls.counts: there is no such parameter here`);
  assert.match(stderr, /\n {2}docs\/evaluation\.md says/);
  assert.not.ok(readdirSync(directory).includes('odd'));
  const json = await runPeer('eval', 'run', join(directory, 'none.toml'), '--json');
  assert.is(JSON.parse(json.stdout).error.code, 'scenario');
});

test('results are not written over', async ({ directory }) => {
  const there = evaluation(directory, 'there', [100]);
  const smoke = fileURLToPath(new URL('../../../../config/scenarios/smoke.toml', import.meta.url));
  const before = readFileSync(join(there, 'results.json'), 'utf8');
  const { code, stderr } = await runPeer('eval', 'run', smoke, '--out', there);
  assert.is(code, 1);
  assert.match(stderr, /has results already\n {2}give another directory/);
  assert.is(readFileSync(join(there, 'results.json'), 'utf8'), before);
});

test('an environment that is not to be had is told with a remedy, and nothing runs', async ({
  directory,
}) => {
  const smoke = fileURLToPath(new URL('../../../../config/scenarios/smoke.toml', import.meta.url));
  const out = join(directory, 'nowhere');
  const run = (environment: string) =>
    runPeer('eval', 'run', smoke, '--out', out, '--environment', environment);
  const strange = await run('moon');
  assert.is(strange.code, 1);
  assert.match(strange.stderr, /--environment must be netns or mininet/);
  const path = process.env.PATH;
  try {
    process.env.PATH = directory;
    const { code, stderr } = await run('mininet');
    assert.is(code, 1);
    assert.match(stderr, /mininet cannot be had: the program mnexec is missing/);
    assert.match(stderr, /\n {2}Install the Debian packages: apt-get install mininet bridge-utils/);
  } finally {
    process.env.PATH = path;
  }
  assert.not.ok(existsSync(out));
});

test('two evaluations are compared measure by measure', async ({ directory }) => {
  const [before, after] = [
    evaluation(directory, 'before', [100, 101, 102]),
    evaluation(directory, 'after', [150, 151, 152]),
  ];
  const { code, stdout } = await runPeer('eval', 'compare', before, after);
  assert.is(code, 0);
  assert.match(stdout, /^calls\.pairs = 1:\n/);
  assert.match(stdout, /\n {2}mouthToEarMs +101 → 151 +\+50 ± [\d.]+ ms +worse\n/);
  assert.match(stdout, /\n {2}ringingMs +800 → 800 +0 ± 0 ms\n/);
  const json = JSON.parse((await runPeer('eval', 'compare', before, after, '--json')).stdout);
  assert.is(json.points[0].measures.mouthToEarMs.verdict, 'worse');
});

test('a report is drawn anew from results', async ({ directory }) => {
  const there = evaluation(directory, 'drawn', [100, 101]);
  const { code, stdout } = await runPeer('eval', 'report', there);
  assert.is(code, 0);
  assert.match(stdout, /\n {2}mouthToEarMs +101 /);
  assert.match(readFileSync(join(there, 'report.html'), 'utf8'), /<svg/);
  assert.match(readFileSync(join(there, 'calls.csv'), 'utf8'), /^calls\.pairs,/);
});

test('what is no evaluation is told', async ({ directory }) => {
  const { code, stderr } = await runPeer('eval', 'compare', directory, directory);
  assert.is(code, 1);
  assert.match(stderr, /^peer: .* cannot be read: .*\n {2}give a directory that peer eval run has made/);
});

test('what draws plots is loaded by what draws them alone', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.tsx?$/.test(name),
  );
  const naming = files.filter((name) => /'vega(-lite)?'/.test(readFileSync(join(SOURCES, name), 'utf8')));
  assert.equal(naming, ['eval/report/plots.ts']);
  const plots = readFileSync(join(SOURCES, 'eval/report/plots.ts'), 'utf8');
  assert.not.match(plots, /from 'vega/);
  const eager = files.filter((name) =>
    /from '[^']*\/(plots|html|reports)\.js'/.test(readFileSync(join(SOURCES, name), 'utf8')),
  );
  assert.equal(eager.sort(), ['eval/report/html.ts', 'eval/report/reports.ts']);
});

test.run();
