/**
 * Role: runs a scenario of the DHT simulator for a goal, in a process of its own, and reads its figures.
 *
 * With `PEER_GOALS_QUICK=1` in the environment scenarios run in a small size, for development: a goal is never reached
 * that way, and its figure says so.
 * Not here: the scenarios (src/eval/sim), what the figures must be.
 */

import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import type { Outcome, Part, Tell } from './goal.js';

const SIMULATOR = fileURLToPath(new URL('../sim/main.js', import.meta.url));
/** Young objects die in great numbers here: the larger their space, the fewer survive by chance. */
const NODE_OPTIONS = ['--max-semi-space-size=128'];

/** Runs so far: several of one scenario may go on at the same time. */
let started = 0;

export interface Simulated<F> {
  readonly title: string;
  readonly sampleSize: string;
  readonly scenario: string;
  /** Parameters in full size. */
  readonly full: Readonly<Record<string, number>>;
  /** Those that are smaller for development. */
  readonly quick: Readonly<Record<string, number>>;
  readonly heapMegabytes: number;
  /** Judges the figures of the scenario. */
  readonly judge: (figures: F) => Outcome;
}

/** A part of a goal that one run of a scenario measures. */
export function simulated<F>(part: Simulated<F>): Part {
  const { title, sampleSize } = part;
  return { title, sampleSize, isVirtual: true, run: (tell) => run(part, tell) };
}

async function run<F>(part: Simulated<F>, tell: Tell): Promise<Outcome> {
  const quick = process.env.PEER_GOALS_QUICK === '1';
  const parameters = quick ? { ...part.full, ...part.quick } : part.full;
  const options = Object.entries(parameters).flatMap(([name, value]) => [`--${name}`, String(value)]);
  tell(`npm run sim:dht -- ${part.scenario} ${options.join(' ')}`);
  const node = [...NODE_OPTIONS, `--max-old-space-size=${part.heapMegabytes}`];
  const args = [...node, SIMULATOR, part.scenario, '--json', ...options];
  started += 1;
  const { code, stdout, log } = await runCommand(`dht-${part.scenario}-${started}`, process.execPath, args, {
    follow: true,
  });
  if (code !== 0) return { passed: false, figure: `the simulation broke off; see ${log}` };
  const outcome = part.judge(JSON.parse(stdout) as F);
  if (!quick) return outcome;
  return { passed: false, figure: `not measured in full (PEER_GOALS_QUICK): ${outcome.figure}` };
}
