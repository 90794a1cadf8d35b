/**
 * Role: the goal that talking does not show, and that calls look like fake calls: `npm run goals -- voip 5`.
 *
 * Not here: the calls and what is seen of them (src/eval/lookalike).
 */

import { fileURLToPath } from 'node:url';
import { tellApart } from '../lookalike/classify.js';
import type { Kind, LookalikeResults, Phase } from '../lookalike/results.js';
import { runCommand } from './command.js';
import { type Goal, type Outcome, type Part, runParts, type Tell } from './goal.js';
import { runLabProgram } from './lab-program.js';

const PROGRAM = fileURLToPath(new URL('../lookalike/main.js', import.meta.url));
const VIRTUAL = fileURLToPath(new URL('../lookalike/virtual.js', import.meta.url));
const CALLS = 20;
const VIRTUAL_CALLS = 400;
const MOST_AUC = 0.55;
/** How much the mean of datagrams a second may differ between phases: what ends of seconds make. */
const MOST_RATE_DIFFERENCE = 0.01;

const parts: readonly Part[] = [
  { title: 'real links', sampleSize: `${CALLS} of each`, run: onTheWire },
  { title: 'virtual time', sampleSize: `${VIRTUAL_CALLS} of each`, run: inVirtualTime },
];

export const lookalikeGoal: Goal = {
  area: 'voip',
  number: 5,
  title: `talking, silence, mute and hold look the same on the links; calls and fake calls are told apart with an AUC of at most ${MOST_AUC}`,
  sampleSize: `${CALLS} real and ${CALLS} fake calls among twelve real peers, seen on all links, and ${VIRTUAL_CALLS} of each with production engines in virtual time; a random forest, tested on a fifth each time`,
  run: (tell) => runParts(parts, tell),
};

function onTheWire(tell: Tell): Promise<Outcome> {
  tell(`${CALLS} real calls and ${CALLS} fake ones; some 40 minutes`);
  return runLabProgram<LookalikeResults>('voip-5', [PROGRAM, String(CALLS)], (results) => {
    const outcomes = [judgePhases(results.phases), judgeLookalike(results, CALLS)];
    return {
      passed: outcomes.every(({ passed }) => passed),
      figure: outcomes.map(({ figure }) => figure).join('; '),
    };
  });
}

async function inVirtualTime(tell: Tell): Promise<Outcome> {
  tell(`${VIRTUAL_CALLS} real calls and ${VIRTUAL_CALLS} fake ones in virtual time`);
  const args = ['--max-old-space-size=4000', VIRTUAL, String(VIRTUAL_CALLS)];
  const { code, stdout, log } = await runCommand('voip-5-virtual', process.execPath, args);
  if (code !== 0) return { passed: false, figure: `the simulation broke off; see ${log}` };
  const { passed, figure } = judgeLookalike(JSON.parse(stdout) as LookalikeResults, VIRTUAL_CALLS);
  return { passed, figure: `virtual time: ${figure}` };
}

export function judgePhases(phases: readonly Phase[]): Outcome {
  const sizes = new Set(phases.flatMap((phase) => Object.keys(phase.sizes)));
  const means = phases.map(({ name, outPerSecond, inPerSecond }) => ({
    name,
    out: mean(outPerSecond),
    in: mean(inPerSecond),
  }));
  const isAlike = (way: 'in' | 'out') => {
    const rates = means.map((one) => one[way]);
    return Math.max(...rates) - Math.min(...rates) <= MOST_RATE_DIFFERENCE * Math.max(...rates);
  };
  return {
    passed: phases.length === 4 && sizes.size === 1 && isAlike('in') && isAlike('out'),
    figure: [
      `datagrams a second out and in ${means.map((one) => `${one.name} ${one.out.toFixed(1)} and ${one.in.toFixed(1)}`).join(', ')}`,
      `sizes ${[...sizes].join(', ')}`,
    ].join('; '),
  };
}

/** @param least observations of each kind that there must be */
export function judgeLookalike({ observations, failed }: LookalikeResults, least: number): Outcome {
  const of = (kind: Kind) => observations.filter((one) => one.kind === kind);
  const fakes = of('fake');
  const told = (['caller', 'callee'] as const).map((kind) => {
    const reals = of(kind);
    return { kind, count: reals.length, ...tellApart(reals, fakes, Math.random) };
  });
  return {
    passed: fakes.length >= least && told.every(({ count, auc }) => count >= least && auc <= MOST_AUC),
    figure: [
      ...told.map(
        ({ kind, count, auc, margin, best, bestAuc }) =>
          `${count} real calls at the ${kind}'s links and ${fakes.length} fake ones: AUC ${auc.toFixed(2)} ± ${margin.toFixed(2)} (best alone: ${best} ${bestAuc.toFixed(2)})`,
      ),
      `${failed.length} did not come about`,
    ].join('; '),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
