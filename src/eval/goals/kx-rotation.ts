/**
 * Role: the goal that rotation is invisible and a dead relay hardly felt: `npm run goals -- kx 4`.
 *
 * Not here: the conversation and what disturbs it (disturbances.ts).
 */

import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import type { DeathResults, RotationResults } from './disturbance-results.js';
import type { Goal, Outcome, Tell } from './goal.js';

const DISTURBANCES = fileURLToPath(new URL('./disturbances.js', import.meta.url));
const ROTATIONS = 1_000;
const DEATHS = 100;
const MOST_GAP_MS = 400;
/** Of the deaths, this part must be over within MOST_GAP_MS. */
const LEAST_SHARE = 0.95;

export const rotationGoal: Goal = {
  area: 'kx',
  number: 4,
  title: `${ROTATIONS} rotations lose and double no packet; a killed relay is replaced within ${MOST_GAP_MS} ms`,
  sampleSize: `50 packets/s both ways and 2 Mbit/s TCP both ways through ${ROTATIONS} rotations; ${DEATHS} times kill -9 of a relay`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('nine peers; about ten minutes of rotations, then ten of dying relays');
  const rotated = await measure<RotationResults>('rotations', ROTATIONS);
  if (typeof rotated === 'string') return { passed: false, figure: rotated };
  const died = await measure<DeathResults>('deaths', DEATHS);
  if (typeof died === 'string') return { passed: false, figure: died };
  return both(judgeRotations(rotated), judgeDeaths(died));
}

/** The results, or where to read what went wrong. */
async function measure<T>(what: string, count: number): Promise<T | string> {
  const { code, stdout, log } = await runCommand(
    `kx-4-${what}`,
    process.execPath,
    [DISTURBANCES, what, String(count)],
    { follow: true },
  );
  return code === 0 ? (JSON.parse(stdout) as T) : `the network broke off; see ${log}`;
}

export function judgeRotations({ rotations, stream: { udp, tcp } }: RotationResults): Outcome {
  const lost = udp.sent - udp.received;
  const passed = rotations >= ROTATIONS && lost === 0 && udp.doubled === 0 && tcp?.exact === true;
  const way = tcp?.exact === true ? `TCP byte-exact over ${(tcp.sent / 1e6).toFixed(0)} MB` : 'TCP not exact';
  return {
    passed,
    figure: `${rotations} rotations: ${lost} of ${udp.sent} packets lost, ${udp.doubled} doubled, ${way}`,
  };
}

export function judgeDeaths({ deaths }: DeathResults): Outcome {
  const gaps = deaths.map(({ gapMs }) => gapMs).sort((a, b) => a - b);
  const quick = gaps.filter((gap) => gap <= MOST_GAP_MS).length;
  const passed = deaths.length >= DEATHS && quick >= deaths.length * LEAST_SHARE;
  const quantile = (part: number) => gaps[Math.min(Math.floor(gaps.length * part), gaps.length - 1)] ?? 0;
  return {
    passed,
    figure: `stream back within ${MOST_GAP_MS} ms in ${quick} of ${deaths.length} deaths, pause p50 ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms`,
  };
}

function both(a: Outcome, b: Outcome): Outcome {
  return { passed: a.passed && b.passed, figure: `${a.figure}; ${b.figure}` };
}
