/**
 * Role: the goal that attackers harm nobody: `npm run goals -- testing 2`.
 *
 * Not here: the trials (attack-trials.ts), the attackers (src/testing/attackers).
 */

import { fileURLToPath } from 'node:url';
import { quantile } from '../quantile.js';
import { ATTACKED_SECONDS, type AttackTrial, PEERS } from './attack-results.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';

const TRIALS = fileURLToPath(new URL('./attack-trials.js', import.meta.url));
/** With each frame twice, a loss of 5 % is hardly heard (`voip 2`). */
const MOST_LOST = 0.05;

export const attacksGoal: Goal = {
  area: 'testing',
  number: 2,
  title: `every attacker, with calls going on: all calls come about and go on, at most ${MOST_LOST * 100} % of voice lost, all contents found, and every counter that is to show the attack rises`,
  sampleSize: `${PEERS} honest peers, real processes in networks of their own; ${ATTACKED_SECONDS.least} to ${ATTACKED_SECONDS.most} s for each attacker, and as long without one`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('starting …');
  const { code, stdout, log } = await runCommand('testing-2', process.execPath, [TRIALS], { follow: true });
  if (code !== 0) return { passed: false, figure: `the trials broke off; see ${log}` };
  const trials = JSON.parse(stdout) as AttackTrial[];
  for (const line of tableOf(trials)) tell(line);
  return judgeAttacks(trials);
}

export function judgeAttacks(trials: readonly AttackTrial[]): Outcome {
  const attacks = trials.filter(({ attacker }) => attacker !== null);
  const faults = trials.flatMap((trial) =>
    faultsOf(trial).map((fault) => `${trial.attacker ?? 'without attack'}: ${fault}`),
  );
  const all = attacks.flatMap(({ calls }) => calls);
  const connected = all.filter(({ connectedAfterMs }) => connectedAfterMs !== null).length;
  const passed = attacks.length > 0 && attacks.length < trials.length && faults.length === 0;
  return {
    passed,
    figure: [
      `${attacks.length} attackers`,
      `${connected} of ${all.length} calls came about`,
      `voice lost at most ${percent(Math.max(0, ...attacks.map(lostShare)))}`,
      ...faults,
    ].join('; '),
  };
}

/** What is not as it must be. */
function faultsOf(trial: AttackTrial): string[] {
  if (trial.fault !== undefined) return [trial.fault];
  const failed = trial.calls.filter(({ connectedAfterMs }) => connectedAfterMs === null);
  const missed = trial.gets.filter((get) => get === null).length;
  const { standing } = trial;
  return [
    ...(trial.calls.length === 0 || trial.gets.length === 0 ? ['nothing was tried'] : []),
    ...failed.map(({ reason }) => `a call did not come about (${reason ?? 'no reason'})`),
    ...(standing.kept < standing.calls ? [`${standing.calls - standing.kept} calls broken off`] : []),
    ...(lostShare(trial) > MOST_LOST ? [`${percent(lostShare(trial))} of voice lost`] : []),
    ...(trial.voice.received === 0 ? ['no voice'] : []),
    ...(missed > 0 ? [`${missed} of ${trial.gets.length} contents not found`] : []),
    ...Object.entries(trial.counted)
      .filter(([, rise]) => rise <= 0)
      .map(([path]) => `${path} did not rise`),
  ];
}

/** For people: a line an attacker. */
export function tableOf(trials: readonly AttackTrial[]): string[] {
  const head = '| attacker | calls | kept | set-up p50 / p95 | voice lost | GETs | GET p50 / p95 | counted |';
  return [head, '|---|---|---|---|---|---|---|---|', ...trials.map(rowOf)];
}

function rowOf(trial: AttackTrial): string {
  const name = trial.attacker ?? '(none)';
  if (trial.fault !== undefined) return `| ${name} | ${trial.fault} | | | | | | |`;
  const setUps = trial.calls.flatMap(({ connectedAfterMs }) => connectedAfterMs ?? []);
  const found = trial.gets.filter((get) => get !== null);
  const counted = Object.entries(trial.counted).map(([path, rise]) => `${path.split('.').at(-1)} ${rise}`);
  const cells = [
    `${setUps.length} of ${trial.calls.length}`,
    `${trial.standing.kept} of ${trial.standing.calls}`,
    `${inSeconds(setUps, 0.5)} / ${inSeconds(setUps, 0.95)} s`,
    percent(lostShare(trial)),
    `${found.length} of ${trial.gets.length}`,
    `${inSeconds(found, 0.5)} / ${inSeconds(found, 0.95)} s`,
    counted.join(', '),
  ];
  return `| ${name} | ${cells.join(' | ')} |`;
}

const inSeconds = (times: readonly number[], share: number) => (quantile(times, share) / 1000).toFixed(2);
const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

function lostShare({ voice: { received, lost } }: AttackTrial): number {
  return lost / Math.max(1, received + lost);
}
