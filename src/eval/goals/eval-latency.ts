/**
 * Role: the goal that a scenario is run and its report opens in a browser: `npm run goals -- eval 1`.
 *
 * Not here: the evaluation (src/eval/scenario, src/eval/report), the browser (browser.ts).
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPage } from './browser.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const SCENARIO = 'config/scenarios/latency.toml';
const OUT = join(REPOSITORY, '.cache/goals/eval-1');
/** Measures that must be on the page, as they are named there. */
const MEASURES = ['ringingMs', 'mouthToEarMs', 'pesq', 'r', 'sentKbps'];

/** What `peer eval run --json` prints. */
export interface RunAnswer {
  readonly passed: boolean;
  readonly faults: readonly string[];
  readonly points: readonly {
    readonly values: Readonly<Record<string, unknown>>;
    readonly measures: Readonly<Record<string, { readonly mean: number; readonly count: number }>>;
  }[];
}

export const latencyGoal: Goal = {
  area: 'eval',
  number: 1,
  title: `peer eval run ${SCENARIO}: all its thresholds hold, and its report opens in headless Chromium without a complaint`,
  sampleSize: 'what the scenario says; the page is opened without any network',
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell(`peer eval run ${SCENARIO}; about 25 minutes`);
  await rm(OUT, { recursive: true, force: true });
  const args = ['bin/peer.js', 'eval', 'run', SCENARIO, '--out', OUT, '--json'];
  const { stdout, log } = await runCommand('eval-1', process.execPath, args, { follow: true });
  if (stdout === '') return { passed: false, figure: `the evaluation broke off; see ${log}` };
  const screenshot = join(OUT, 'report.png');
  const page = await openPage(join(OUT, 'report.html'), screenshot);
  tell(`to look at: ${screenshot}`);
  return judgeLatency(JSON.parse(stdout) as RunAnswer, page);
}

export function judgeLatency(
  { passed, faults, points }: RunAnswer,
  { html, complaints }: { readonly html: string; readonly complaints: readonly string[] },
): Outcome {
  const plots = html.split('<svg').length - 1;
  const lacking = MEASURES.filter((name) => !html.includes(`<td>${name}: `));
  const mean = (point: RunAnswer['points'][number], name: string) =>
    point.measures[name]?.mean.toFixed(1) ?? 'none';
  const told = points.map(
    (point) =>
      `${JSON.stringify(point.values)}: ringing ${mean(point, 'ringingMs')} ms, mouth to ear ${mean(point, 'mouthToEarMs')} ms, PESQ ${mean(point, 'pesq')}, R ${mean(point, 'r')}`,
  );
  return {
    passed: passed && points.length > 1 && plots > 0 && lacking.length === 0 && complaints.length === 0,
    figure: [
      ...told,
      `${plots} plots`,
      ...faults,
      ...lacking.map((name) => `${name} is not on the page`),
      ...complaints.map((text) => `the browser: ${text}`),
    ].join('; '),
  };
}
