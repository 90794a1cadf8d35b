/** What is told of results: measures, thresholds, the page, CSV, comparisons. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareResults } from '../../../../src/eval/report/comparison.js';
import { csvOf } from '../../../../src/eval/report/csv.js';
import { htmlOf } from '../../../../src/eval/report/html.js';
import { MEASURES, measureNamed } from '../../../../src/eval/report/measures.js';
import { writeReports } from '../../../../src/eval/report/reports.js';
import { readResults } from '../../../../src/eval/report/results.js';
import { summarise } from '../../../../src/eval/report/summary.js';
import { textOf } from '../../../../src/eval/report/text.js';
import { SAMPLE_EMULATOR, sampleCall, sampleResults, sampleTrial } from './sample-results.js';

const test = suite('reports of evaluations');
const observed = (name: string, trial = sampleTrial({}, [sampleCall(120, 4)])) =>
  measureNamed(name).observe(trial);

test('each measure is of what its title says', () => {
  const expected: Readonly<Record<string, readonly number[]>> = {
    ...{ callsDone: [100], ringingMs: [800], lookupMs: [100], tunnelMs: [500], roundTripMs: [240] },
    ...{ mouthToEarMs: [120, 120], mouthToEarP95Ms: [129, 129], pesq: [4, 4], lossPercent: [1, 1] },
    ...{ latePercent: [0.5, 0.5], concealedPercent: [1.2, 1.2], jitterMs: [2, 2], bufferMs: [30, 30] },
    ...{ cpuPercent: [5], relayCpuPercent: [1], sentKbps: [300, 300], relaySentKbps: [300] },
    ...{ emulatorLateUs: [200], emulatorErrorMs: [1] },
  };
  for (const { name } of MEASURES.filter(({ name }) => name !== 'r'))
    assert.equal(observed(name), expected[name], name);
  const [r] = observed('r');
  assert.ok(r !== undefined && r > 75 && r < 80, `${r}`);
});

test('speech that was not found is the worst, and has no delay', () => {
  const call = sampleCall(120, 1);
  const unheard = {
    ...call,
    ways: call.ways.map((way) => ({ ...way, spells: [{ atSeconds: 9, delaysMs: [], pesq: 1 }] })),
  };
  const trial = sampleTrial({}, [unheard]);
  assert.equal(
    [observed('pesq', trial), observed('r', trial)],
    [
      [1, 1],
      [0, 0],
    ],
  );
  assert.equal(observed('mouthToEarMs', trial), []);
});

test('a call that failed counts as such alone', () => {
  const trial = sampleTrial({}, [sampleCall(120, 4), sampleCall(900, 1, { failure: 'nobody answered' })]);
  assert.equal(observed('callsDone', trial), [100, 0]);
  assert.equal(observed('mouthToEarMs', trial), [120, 120]);
});

test('thresholds hold for each point, and nothing observed is no threshold held', () => {
  const trials = [sampleTrial({ x: 1 }, [sampleCall(120, 4)]), sampleTrial({ x: 2 }, [sampleCall(300, 4)])];
  const faultsOf = (most: number, list = trials) =>
    summarise(sampleResults(list, { thresholds: [{ measure: 'mouthToEarMs', statistic: 'median', most }] }))
      .faults;
  assert.equal(faultsOf(300), []);
  assert.equal(faultsOf(299), ['x = 2: mouthToEarMs (median): at most 299 ms is wanted; it is 300']);
  assert.match(faultsOf(300, [sampleTrial({}, [])]).join(), /nothing was observed/);
});

test('trials that failed, interruption and an emulator that dropped packets let no run pass', () => {
  const failed = sampleTrial({}, [], { failure: 'no namespaces', emulator: null });
  assert.equal(summarise(sampleResults([failed])).faults, ['the scenario: a trial failed: no namespaces']);
  assert.match(summarise({ ...sampleResults([]), state: 'interrupted' }).faults.join(), /interrupted/);
  const dropping = sampleTrial({}, [], { emulator: { ...SAMPLE_EMULATOR, failed: 3 } });
  assert.match(summarise(sampleResults([dropping])).faults.join(), /dropped 3 packets/);
});

test('the summary has the emulator of each network in it', () => {
  const text = textOf(summarise(sampleResults([sampleTrial({ x: 1 }, [sampleCall(120, 4)])])));
  assert.match(text, /x = 1: 1 calls in 1 networks/);
  assert.match(text, /emulator: 40 µs late at p50, 200 µs at p99/);
  assert.match(text, /3 of 4 echoes of 20 ms came/);
  assert.match(text, /PASSED$/);
});

test('links by the kernel tell of echoes alone, and the environment is told', async () => {
  const { echoes } = SAMPLE_EMULATOR;
  const trial = sampleTrial({}, [sampleCall(120, 4)], { emulator: { by: 'netem', echoes } });
  const results = { ...sampleResults([trial]), environment: 'mininet 2.3.0' };
  assert.equal([observed('emulatorLateUs', trial), observed('emulatorErrorMs', trial)], [[], [1]]);
  assert.match(textOf(summarise(results)), /by the kernel's netem: 3 of 4 echoes of 20 ms came/);
  assert.match(await htmlOf(results), /<td>environment<\/td><td>mininet 2\.3\.0<\/td>/);
  const { remarks } = compareResults(sampleResults([trial]), results);
  assert.equal(remarks, ['their environments differ: netns, mininet 2.3.0']);
});

test('the page draws each measure by each swept parameter, and calls over time', async () => {
  const trials = [10, 60].flatMap((delay) =>
    [0, 1].map((repetition) =>
      sampleTrial({ 'link.delayMs': delay }, [sampleCall(100 + delay + repetition, 4)], { repetition }),
    ),
  );
  const page = await htmlOf(sampleResults(trials));
  // Delay, quality and rating over time.
  assert.is(page.match(/<svg/g)?.length, MEASURES.length + 3);
  assert.match(page, /mouth to ear, median of a way by link\.delayMs/);
  assert.not.match(page, /undefined|NaN/);
});

test('the page loads nothing, and nothing of results is taken for HTML', async () => {
  const evil = '<script src="https://evil.example/x.js"></script>';
  const trial = sampleTrial({ x: evil }, [sampleCall(120, 4, { failure: evil })], { failure: evil });
  const page = await htmlOf(sampleResults([trial], { description: evil, text: evil }));
  const tags = page.match(/<[a-z][^>]*>/gi) ?? [];
  const names = new Set(tags.map((tag) => /^<(\w+)/.exec(tag)?.[1]));
  for (const name of ['script', 'link', 'img', 'iframe', 'object', 'embed', 'image', 'use', 'a'])
    assert.not.ok(names.has(name), name);
  // Values apart, which may hold any text.
  for (const tag of tags) assert.not.match(tag.replace(/"[^"]*"/g, ''), /\b(src|href|action|data|poster)\b/i);
  assert.not.match(page, /@import|url\((?!["']?#)/i);
  assert.match(page, /Content-Security-Policy" content="default-src 'none'/);
  const plain = await htmlOf(sampleResults([sampleTrial({ x: 1 }, [sampleCall(120, 4)])]));
  assert.not.match(plain, /https?:|\/\//);
});

test('CSV has a line for each way of each call', () => {
  const trial = sampleTrial({ x: 1 }, [
    sampleCall(120, 4),
    sampleCall(130, 4, { number: 1, failure: 'it, "broke"' }),
  ]);
  const lines = csvOf(sampleResults([trial])).split('\r\n');
  assert.is(lines.length, 1 + 4 + 1);
  assert.match(lines[0] ?? '', /^x,repetition,seed,pair,call,from,to,failure,ringingMs,/);
  assert.match(lines[1] ?? '', /^1,0,1,0,0,a1,b1,,800,100,500,240,120,129,4,/);
  assert.match(lines[3] ?? '', /^1,0,1,0,1,a1,b1,"it, ""broke""",,/);
});

test('a comparison tells what got better or worse, and what chance alone may do', () => {
  const of = (delays: readonly number[]) =>
    sampleResults(
      delays.map((delay) => sampleTrial({ x: 1 }, [sampleCall(delay, 4), sampleCall(delay + 1, 4)])),
    );
  const verdictOf = (one: readonly number[], other: readonly number[]) =>
    compareResults(of(one), of(other)).points[0]?.measures.find(
      ({ measure }) => measure.name === 'mouthToEarMs',
    )?.verdict;
  assert.is(verdictOf([100, 101, 102], [200, 201, 202]), 'worse');
  assert.is(verdictOf([200, 201, 202], [100, 101, 102]), 'better');
  assert.is(verdictOf([100, 150, 200], [101, 151, 201]), 'same');
  const single = compareResults(of([100]), of([200])).points[0]?.measures;
  assert.is(single?.find(({ measure }) => measure.name === 'ringingMs')?.verdict, 'unknown');
});

test('a comparison tells what only one has, and what else differs', () => {
  const one = sampleResults([sampleTrial({ x: 1 }, [sampleCall(120, 4)])]);
  const other = sampleResults([sampleTrial({ x: 2 }, [sampleCall(120, 4)])], { text: 'seed = 2\n' });
  const { points, alone, remarks } = compareResults(one, {
    ...other,
    machine: { ...other.machine, cores: 64 },
  });
  assert.equal([points.length, alone], [0, [{ x: 1 }, { x: 2 }]]);
  assert.equal(remarks, ['they were made on different machines', 'their scenario files differ']);
});

test('reports are written beside results, which can be read again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-report-'));
  try {
    const results = sampleResults([sampleTrial({ x: 1 }, [sampleCall(120, 4)])]);
    writeFileSync(join(directory, 'results.json'), JSON.stringify(results));
    const read = readResults(directory);
    assert.equal(read, results);
    assert.equal(readResults(join(directory, 'results.json')), results);
    await writeReports(read, directory);
    assert.match(readFileSync(join(directory, 'report.html'), 'utf8'), /^<!doctype html>/);
    assert.match(readFileSync(join(directory, 'calls.csv'), 'utf8'), /^x,/);
    writeFileSync(join(directory, 'results.json'), JSON.stringify({ ...results, format: 99 }));
    assert.throws(() => readResults(directory), /no results of this version/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();
