/**
 * Role: the goals of the first call: `npm run goals -- call`.
 *
 * Not here: the demo, tests and benchmarks that they run.
 */

import { fileURLToPath } from 'node:url';
import { KX_DATAGRAM, type Summary } from '../demo/summary.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import { missingCases, NEGATIVE_CASES, readCargoTests, readRunnerFiles } from './negative-cases.js';

const DEMO = fileURLToPath(new URL('../demo/main.js', import.meta.url));
const DEMO_RUNS = 2;

export const callGoals: readonly Goal[] = [
  {
    area: 'call',
    number: 1,
    title: 'the demo shows a call in both directions, twice in a row',
    sampleSize: `${DEMO_RUNS} runs, 8 peers, 2 directions each`,
    run: demoTwice,
  },
  {
    area: 'call',
    number: 2,
    title: 'hostile and broken input has its expected end',
    sampleSize: `${NEGATIVE_CASES.length} kinds of cases, all their tests`,
    run: negativeCases,
  },
  {
    area: 'call',
    number: 3,
    title: 'the per-hop step is measured beside AES-128-GCM open + seal of the same bytes',
    sampleSize: '64 circuits, 2000 rounds of 256 cells each, alternating',
    run: hopBench,
  },
];

async function demoTwice(tell: Tell): Promise<Outcome> {
  const summaries: Summary[] = [];
  for (let run = 1; run <= DEMO_RUNS; run += 1) {
    tell(`demo ${run} of ${DEMO_RUNS}`);
    const args = [DEMO, '--json'];
    const { code, stdout, log } = await runCommand(`call-1-${run}`, process.execPath, args, { follow: true });
    const summary = parseSummary(stdout);
    if (code !== 0 || summary === null) {
      const why = summary?.faults.join('; ') || 'it broke off';
      return { passed: false, figure: `run ${run} ended with ${code}: ${why}; see ${log}` };
    }
    summaries.push(summary);
  }
  return { passed: true, figure: describeDemos(summaries) };
}

export function describeDemos(summaries: readonly Summary[]): string {
  const directions = summaries.flatMap((summary) => summary.directions);
  const least = (values: readonly number[], digits: number) => Math.min(...values).toFixed(digits);
  const delays = directions.map(({ score }) => score.delayMs.toFixed(0)).join(', ');
  return [
    `correlation peak at least ${least(
      directions.map(({ score }) => score.peak),
      2,
    )}`,
    `${least(
      directions.map(({ score, controlPeak }) => score.peak - controlPeak),
      2,
    )} above other speech`,
    `PESQ-WB at least ${least(
      directions.map(({ score }) => score.pesqWb ?? 0),
      2,
    )}`,
    `mouth to ear ${delays} ms`,
    `answered after ${summaries.map(({ answeredAfterMs }) => answeredAfterMs).join(', ')} ms`,
    `all KX datagrams ${KX_DATAGRAM} bytes`,
  ].join(', ');
}

function parseSummary(text: string): Summary | null {
  try {
    return JSON.parse(text) as Summary;
  } catch {
    return null;
  }
}

async function negativeCases(tell: Tell): Promise<Outcome> {
  tell('cargo test of cell and kx');
  const cargoArgs = ['test', '--release', '--no-fail-fast', '-p', 'cell', '-p', 'kx'];
  const cargo = await runCommand('call-2-cargo', 'cargo', cargoArgs);
  tell('the TypeScript tests, two of them between real peers');
  const files = [...new Set(NEGATIVE_CASES.flatMap(({ testFiles }) => testFiles))];
  const runner = await runCommand(
    'call-2-tests',
    process.execPath,
    ['dist/test/support/runner.js', ...files],
    {
      env: { CI: 'true' },
    },
  );
  const cargoTests = readCargoTests(cargo.stdout);
  const runnerFiles = readRunnerFiles(runner.stdout);
  const faults = [
    ...missingCases(NEGATIVE_CASES, cargoTests, runnerFiles),
    ...[cargo, runner].filter(({ code }) => code !== 0).map(({ log }) => `tests failed, see ${log}`),
  ];
  if (faults.length > 0) return { passed: false, figure: faults.join('; ') };
  const inFiles = [...runnerFiles.values()].reduce((sum, passed) => sum + passed, 0);
  const kinds = NEGATIVE_CASES.map(({ kind }) => kind).join(', ');
  return { passed: true, figure: `${kinds}: all ${inFiles + cargoTests.size} tests pass` };
}

async function hopBench(tell: Tell): Promise<Outcome> {
  tell('cargo bench -p cell --bench hop; building it takes minutes the first time');
  const { code, stdout, log } = await runCommand('call-3', 'cargo', [
    'bench',
    '-p',
    'cell',
    '--bench',
    'hop',
  ]);
  const line = stdout.split('\n').find((text) => text.startsWith('per hop:'));
  if (code !== 0 || line === undefined) return { passed: false, figure: `the benchmark failed; see ${log}` };
  return { passed: true, figure: line.replace('per hop: ', '') };
}
