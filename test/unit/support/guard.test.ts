/** Role: the traps of uvu against which the runner guards, and the rules of tidy. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestResult } from '../../support/guarded-uvu.js';
import { tidy } from '../../support/tidy.js';

const GUARD = new URL('../../support/guard-register.js', import.meta.url).href;
const SKIP = new URL('../../support/skip.js', import.meta.url).href;

function run(script: string): { code: number | null; results: TestResult[] } {
  const directory = mkdtempSync(join(tmpdir(), 'peer-guard-'));
  try {
    const file = join(directory, 'sample.mjs');
    const report = join(directory, 'report.json');
    writeFileSync(
      file,
      `import { suite } from 'uvu';\nimport { skip } from ${JSON.stringify(SKIP)};\n${script}`,
    );
    const env = { ...process.env, PEER_TEST_REPORT: report, PEER_TEST_TIMEOUT_MS: '200' };
    const { status } = spawnSync(process.execPath, ['--import', GUARD, file], { env });
    return { code: status, results: JSON.parse(readFileSync(report, 'utf8')) as TestResult[] };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
const outcomes = (script: string) => run(script).results.map(({ outcome }) => outcome);

const guard = suite('guarded uvu');
guard('tests that pass and fail are reported as such', () => {
  const { code, results } = run(
    `const s = suite('s'); s('a', () => {}); s('b', () => { throw new Error('x') }); s.run();`,
  );
  assert.is(code, 1);
  assert.equal(
    results.map(({ name, outcome }) => [name, outcome]),
    [
      ['s: a', 'passed'],
      ['s: b', 'failed'],
    ],
  );
});
guard('a rejection with something that is no Error has failed', () => {
  const { code, results } = run(
    `const s = suite('s'); s('a', () => Promise.reject('text')); s('b', () => {}); s.run();`,
  );
  assert.is(code, 1);
  assert.equal(
    results.map(({ outcome }) => outcome),
    ['failed', 'passed'],
  );
});
guard('a test that hangs has failed, and the next one runs', () => {
  assert.equal(
    outcomes(`const s = suite('s'); s('a', () => new Promise(() => {})); s('b', () => {}); s.run();`),
    ['failed', 'passed'],
  );
});
guard('a suite without run has failed', () => {
  const { code, results } = run(`const s = suite('s'); s('a', () => {});`);
  assert.is(code, 1);
  assert.is(results[0]?.outcome, 'failed');
});
guard('a hook that throws has failed', () => {
  assert.ok(
    outcomes(`const s = suite('s'); s.before(() => { throw 1 }); s('a', () => {}); s.run();`).includes(
      'failed',
    ),
  );
});
guard('what .only leaves out has failed', () => {
  assert.equal(outcomes(`const s = suite('s'); s('a', () => {}); s.only('b', () => {}); s.run();`), [
    'failed',
    'passed',
  ]);
});
guard('a skipped test is reported with its reason', () => {
  const { code, results } = run(`const s = suite('s'); s('a', () => skip('needs a TUN device')); s.run();`);
  assert.is(code, 0);
  assert.equal(results, [{ name: 's: a', outcome: 'skipped', detail: 'needs a TUN device' }]);
});
guard.run();

const rules = suite('tidy');
const faults = (file: string, content: string) => tidy([file], () => content).map(({ text }) => text);
const HEAD = '/** Role. */\n';
rules('imports follow the arrows', () => {
  assert.equal(faults('src/wire/a.ts', `${HEAD}import { x } from './b.js';`), []);
  assert.is(faults('src/wire/a.ts', `${HEAD}import { x } from '../errors.js';`).length, 1);
  assert.is(faults('src/dht/a.ts', `${HEAD}import { x } from '../kx/b.js';`).length, 1);
  assert.is(faults('src/dht/a.ts', `${HEAD}const x = await import('../engine/b.js');`).length, 1);
  assert.equal(faults('src/kx/a.ts', `${HEAD}import { x } from '../engine/b.js';`), []);
  assert.equal(faults('src/testing/attackers/a.ts', `${HEAD}import { x } from '../../kx/b.js';`), []);
  assert.is(faults('src/testing/a.ts', `${HEAD}import { x } from '../kx/b.js';`).length, 1);
  assert.is(faults('src/voip/a.ts', `${HEAD}import { x } from '../../native/binding.cjs';`).length, 1);
  assert.equal(faults('src/engine/a.ts', `${HEAD}import { x } from '../../native/binding.cjs';`), []);
});
rules('crates follow the arrows', () => {
  const cargo = (name: string, table = 'dependencies') => `[${table}]\n${name} = { workspace = true }\n`;
  assert.equal(faults('crates/kx/Cargo.toml', cargo('cell')), []);
  assert.is(faults('crates/cell/Cargo.toml', cargo('kx')).length, 1);
  assert.is(faults('crates/kx/Cargo.toml', '[dependencies]\npump.workspace = true\n').length, 1);
  assert.equal(faults('crates/cell/Cargo.toml', cargo('kx', 'dev-dependencies')), []);
});
rules('lock files name no download addresses, files have a head and a bound', () => {
  assert.is(faults('package-lock.json', `"resolved": "${'http'}s://example.org/x.tgz"`).length, 1);
  assert.is(faults('src/dht/a.ts', 'const x = 1;\n').length, 1);
  assert.is(faults('src/dht/a.ts', HEAD + '\n'.repeat(460)).length, 1);
  assert.is(faults('src/dht/utils.ts', HEAD).length, 1);
  assert.is(faults('src/dht/a.ts', `${HEAD}// ${'TO'}${'DO'}: later\n`).length, 1);
});
rules.run();
