/**
 * Role: the goal that a call goes through every state: `npm run goals -- voip 4`.
 *
 * Not here: the call (call-states.ts).
 */

import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import type { StatesResults } from './states-results.js';

const PROGRAM = fileURLToPath(new URL('./call-states.js', import.meta.url));
const MOST_END_MS = 5_000;
/** As many as the three scripts have: one that is never reached is not one that holds. */
export const CHECKS = 34;

export const statesGoal: Goal = {
  area: 'voip',
  number: 4,
  title: `a call through every state by command line and by screen; SIGTERM: the far end knows, terminal restored, exit in ${MOST_END_MS / 1000} s`,
  sampleSize: `${CHECKS} checks on both sides, in a network of 6 real peers, the screen on two terminals`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('a call through every state; about three minutes');
  const { code, stdout, log } = await runCommand('voip-4', process.execPath, [PROGRAM], { follow: true });
  if (code !== 0) return { passed: false, figure: `the network broke off; see ${log}` };
  return judgeStates(JSON.parse(stdout) as StatesResults);
}

export function judgeStates({ checks, brokenOff }: StatesResults): Outcome {
  const held = checks.filter(({ fault }) => fault === undefined);
  const ends = checks.flatMap(({ endedAfterMs }) => (endedAfterMs === undefined ? [] : [endedAfterMs]));
  const longest = Math.max(...ends);
  const passed =
    held.length === CHECKS && checks.length === CHECKS && brokenOff.length === 0 && longest <= MOST_END_MS;
  return {
    passed,
    figure: [
      `${held.length} of ${CHECKS} hold`,
      ...(ends.length === 0
        ? []
        : [`after SIGTERM all is ended in at most ${(longest / 1000).toFixed(2)} s`]),
      ...brokenOff,
    ].join('; '),
  };
}
