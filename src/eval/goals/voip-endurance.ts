/**
 * Role: the goal that calls go on and on: `npm run goals -- voip 6`.
 *
 * Not here: the hour on real processes (src/eval/endurance), the hours in virtual time (src/eval/sim/call-soak.ts).
 */

import { fileURLToPath } from 'node:url';
import type { CallSoakResults } from '../call-soak-results.js';
import type { EnduranceResults, Footprint } from '../endurance/results.js';
import { runCommand } from './command.js';
import { type Goal, type Outcome, runParts, type Tell } from './goal.js';
import { runLabProgram } from './lab-program.js';

const PROGRAM = fileURLToPath(new URL('../endurance/main.js', import.meta.url));
const VIRTUAL = fileURLToPath(new URL('../call-soak-results.js', import.meta.url));
const MINUTES = 60;
const HOURS = 10;
const TELEPHONES = 24;
const LEAST_CALLS = 100;
/** Of the calls that nothing was done to. */
const MOST_FAILED = 0.01;
/** What late memory may be, of the early one, and beyond that. */
const MOST_GROWTH = 1.1;
const MOST_GROWN_MEGABYTES = 4;
const LEAST_PESQ = 3;
const MOST_HEAP_GROWTH = 1.1;

export const enduranceGoal: Goal = {
  area: 'voip',
  number: 6,
  title: `an hour of calls while processes die, tunnels rotate and devices vanish, and ${HOURS} hours in virtual time: memory flat, no stuck state, no descriptor left`,
  sampleSize: `${MINUTES} minutes of two calls at a time among eight real peers; ${HOURS} hours of ${TELEPHONES} telephones in virtual time`,
  run: (tell) =>
    runParts(
      [
        { title: 'real peers', sampleSize: `${MINUTES} minutes`, run: real },
        { title: 'virtual time', sampleSize: `${HOURS} hours`, run: virtual },
      ],
      tell,
    ),
};

function real(tell: Tell): Promise<Outcome> {
  tell(`eight real peers, ${MINUTES} minutes of calls`);
  return runLabProgram<EnduranceResults>('voip-6', [PROGRAM, String(MINUTES)], (results) => {
    const outcome = judgeEndurance(results);
    const isWhole = results.minutes >= MINUTES && results.calls.length >= LEAST_CALLS;
    return { ...outcome, passed: outcome.passed && isWhole };
  });
}

/** Whether nothing was stuck or left and nothing grew; how long it must go on for that to say something is judged by the goal. */
export function judgeEndurance(results: EnduranceResults): Outcome {
  const { calls, mishaps, left, footprints, pesqAfterwards, minutes, rotations, repairs } = results;
  const failed = calls.filter(({ fault, excuse }) => fault !== undefined && excuse === undefined);
  const excused = calls.filter(({ fault, excuse }) => fault !== undefined && excuse !== undefined);
  const [grown, leaky] = [footprints.filter(hasGrown), footprints.filter(hasMoreDescriptors)];
  const most = footprints.reduce(
    (sum, { lateMegabytes, earlyMegabytes }) => Math.max(sum, lateMegabytes - earlyMegabytes),
    -Infinity,
  );
  const done = Object.entries(mishaps).map(([name, count]) => `${count} × ${name}`);
  const told = (list: readonly string[]) => (list.length === 0 ? '' : ` (${list.join('; ')})`);
  return {
    passed:
      footprints.length > 0 &&
      failed.length <= calls.length * MOST_FAILED &&
      left.length + grown.length + leaky.length === 0 &&
      pesqAfterwards.length === 2 &&
      pesqAfterwards.every((pesq) => pesq !== null && pesq >= LEAST_PESQ),
    figure: [
      `${minutes} min: ${calls.length} calls, ${failed.length} failed${told(failed.map(({ fault }) => fault ?? ''))}, ${excused.length} more when what they need had been killed`,
      `${rotations} rotations, ${repairs} repairs; ${done.join(', ')}`,
      `${left.length} left or stuck${told(left)}`,
      `memory of ${footprints.length} processes: at most ${most.toFixed(1)} MB more late than early, ${grown.length} grown${told(grown.map(({ process }) => process))}`,
      `descriptors: ${leaky.length} with more${told(leaky.map(({ process }) => process))}`,
      `speech afterwards PESQ-WB ${pesqAfterwards.map((pesq) => pesq?.toFixed(2) ?? 'none').join(' and ')}`,
    ].join('; '),
  };
}

function hasGrown({ earlyMegabytes, lateMegabytes }: Footprint): boolean {
  return !(lateMegabytes <= earlyMegabytes * MOST_GROWTH + MOST_GROWN_MEGABYTES);
}

function hasMoreDescriptors({ descriptorsBefore, descriptorsAfter }: Footprint): boolean {
  return descriptorsAfter > descriptorsBefore;
}

async function virtual(tell: Tell): Promise<Outcome> {
  tell(`${HOURS} hours of ${TELEPHONES} telephones in virtual time`);
  const args = ['--expose-gc', VIRTUAL, String(HOURS), String(TELEPHONES)];
  const { code, stdout, log } = await runCommand('voip-6-virtual', process.execPath, args, { follow: true });
  if (code !== 0) return { passed: false, figure: `the simulation broke off; see ${log}` };
  return judgeSoak(JSON.parse(stdout) as CallSoakResults);
}

export function judgeSoak({ hours, ends, resumed, crossed, faults, left, heap }: CallSoakResults): Outcome {
  const calls = Object.values(ends).reduce((sum, count) => sum + count, 0);
  const rest = Object.values(left).reduce((sum, count) => sum + count, 0);
  return {
    passed: calls > 0 && faults.length === 0 && rest === 0 && heap.late <= heap.early * MOST_HEAP_GROWTH,
    figure: [
      `${hours} h virtual: ${calls} ends of calls, ${resumed} resumed, ${crossed} crossed`,
      `${faults.length} faults${faults.length === 0 ? '' : ` (${faults.join('; ')})`}, ${rest} left`,
      `heap ${(heap.early / 1e6).toFixed(1)} MB after an hour, ${(heap.late / 1e6).toFixed(1)} MB at the end`,
    ].join('; '),
  };
}
