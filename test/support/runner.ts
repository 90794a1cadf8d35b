/**
 * Role: runs the TypeScript tests: each file in a process of its own, guarded (guarded-uvu.ts).
 *
 *   node dist/test/support/runner.js [--summary FILE] [FILTER …]
 *
 * Invariants: at most two files at a time, those of test/e2e alone; a file that hangs is killed with all that
 * it started and has failed; so has one without a single test. The last line is `N passed, N failed`.
 * With CI=true a skipped test is a failed one.
 *
 * Not here: the build; tests of other languages (scripts/test adds them up).
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestResult } from './guarded-uvu.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TESTS = join(ROOT, 'dist/test');
const GUARD = new URL('./guard-register.js', import.meta.url).href;
const PARALLEL = 2;
const FILE_TIMEOUT_MS = 120_000;
const E2E_FILE_TIMEOUT_MS = 600_000;

interface TestFile {
  /** Path below test/, as in `unit/wire/message.test`. */
  readonly name: string;
  readonly path: string;
  readonly endToEnd: boolean;
}

const running = new Set<number>();

function findFiles(filters: readonly string[]): TestFile[] {
  return readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js'))
    .map((path) => ({
      name: path.replace(/\.js$/, ''),
      path: join(TESTS, path),
      endToEnd: path.startsWith('e2e/'),
    }))
    .filter(({ name }) => existsSync(join(ROOT, 'test', `${name}.ts`))) // not what a deleted source left behind
    .filter(({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
    .sort((a, b) => Number(a.endToEnd) - Number(b.endToEnd) || a.name.localeCompare(b.name));
}

async function runFile(file: TestFile, directory: string): Promise<TestResult[]> {
  const report = join(directory, `${file.name.replaceAll('/', '-')}.json`);
  const timeoutMs = file.endToEnd ? E2E_FILE_TIMEOUT_MS : FILE_TIMEOUT_MS;
  const started = performance.now();
  if (file.endToEnd) process.stdout.write(`…      ${file.name}\n`);
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', GUARD, file.path], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PEER_TEST_REPORT: report,
      PEER_TEST_TIMEOUT_MS: String(timeoutMs / 2),
    },
  });
  const group = child.pid ?? 0;
  running.add(group);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(group);
  }, timeoutMs);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', (exitCode) => resolve(exitCode));
  });
  clearTimeout(timer);
  killGroup(group); // what a test has left running must not outlive it
  running.delete(group);
  const results = judge(file, report, code, late, timeoutMs);
  present(file, results, output, Math.round(performance.now() - started));
  return results;
}

function judge(
  file: TestFile,
  report: string,
  code: number | null,
  late: boolean,
  timeoutMs: number,
): TestResult[] {
  const results = existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as TestResult[]) : [];
  const fail = (detail: string) => results.push({ name: file.name, outcome: 'failed', detail });
  if (late) fail(`the file did not end in ${timeoutMs / 1_000} s: a test hangs, or something was not closed`);
  else if (results.length === 0) fail('the file has no test');
  else if (code !== 0 && results.every(({ outcome }) => outcome !== 'failed'))
    fail(`ended with code ${code}`);
  return results;
}

function present(file: TestFile, results: readonly TestResult[], output: string, tookMs: number): void {
  const failed = results.filter(({ outcome }) => outcome === 'failed');
  const skipped = results.filter(({ outcome }) => outcome === 'skipped');
  const passed = results.length - failed.length - skipped.length;
  const mark = failed.length > 0 ? 'FAILED' : 'ok    ';
  process.stdout.write(`${mark} ${file.name}: ${passed} passed in ${(tookMs / 1_000).toFixed(1)} s\n`);
  for (const { name, detail } of skipped) process.stdout.write(`  skipped: ${name}: ${detail}\n`);
  for (const { name, detail } of failed) process.stdout.write(`  failed: ${name}: ${detail}\n`);
  if (failed.length > 0) process.stdout.write(output.replace(/^/gm, '  | ').trimEnd().concat('\n'));
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // it has ended already
  }
}

async function runAll(files: readonly TestFile[]): Promise<TestResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'peer-test-'));
  try {
    const results: TestResult[] = [];
    const quick = files.filter(({ endToEnd }) => !endToEnd);
    const work = async () => {
      for (let file = quick.shift(); file !== undefined; file = quick.shift()) {
        results.push(...(await runFile(file, directory)));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    for (const file of files.filter(({ endToEnd }) => endToEnd))
      results.push(...(await runFile(file, directory)));
    return results;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const summaryAt = argv.indexOf('--summary');
  const summary = summaryAt < 0 ? undefined : argv[summaryAt + 1];
  const filters =
    summaryAt < 0 ? argv : argv.filter((_, index) => index !== summaryAt && index !== summaryAt + 1);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      for (const group of running) killGroup(group);
      process.exit(130);
    });
  }
  const files = findFiles(filters);
  const results = await runAll(files);
  if (files.length === 0) {
    const what = filters.length === 0 ? relative(ROOT, TESTS) : filters.join(', ');
    results.push({ name: 'runner', outcome: 'failed', detail: `no test file in ${what}` });
    process.stdout.write(`FAILED no test file in ${what}\n`);
  }
  const count = (outcome: TestResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;
  const strict = process.env.CI === 'true';
  const skipped = strict ? 0 : count('skipped');
  const failed = count('failed') + (strict ? count('skipped') : 0);
  const passed = count('passed');
  if (summary !== undefined) writeFileSync(summary, `${passed} ${failed} ${skipped}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
