/**
 * Role: the goal that hostile bytes get nowhere: `npm run goals -- kx 7`.
 *
 * Not here: the fuzz targets (fuzz/), the attacks (crates/kx/tests/hostile.rs).
 */

import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { jsonLines } from './bench.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';

const TARGETS = fileURLToPath(new URL('../../../../fuzz/fuzz_targets/', import.meta.url));
const FUZZ_SECONDS = 3_600;
const EACH = 1_000_000;
/** The attacks come in two kinds of mutations and two of replays. */
const OF_A_KIND = EACH / 2;

export interface HostileLine {
  readonly what: string;
  readonly injected: number;
  readonly counted: number;
  readonly delivered: number;
}

export const hostileGoal: Goal = {
  area: 'kx',
  number: 7,
  title:
    'one hour of fuzzing without a crash; 10⁶ mutations and 10⁶ replays: none delivered, every one counted',
  sampleSize: `${FUZZ_SECONDS} s over all fuzz targets; ${EACH} mutations and ${EACH} replays of datagrams and cells of a call`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('mutations and replays …');
  const { code, stdout, log } = await runCommand(
    'kx-7-hostile',
    'cargo',
    ['test', '--release', '-p', 'kx', '--features', 'attacks', '--test', 'hostile', '--', '--nocapture'],
    { env: { HOSTILE_CELLS: String(OF_A_KIND) } },
  );
  if (code !== 0) return { passed: false, figure: `an attack went through or was not counted; see ${log}` };
  const attacked = judgeHostile(jsonLines(stdout, 'hostile') as HostileLine[]);
  const fuzzed = await fuzz(tell);
  return {
    passed: attacked.passed && fuzzed.passed,
    figure: `${attacked.figure}; ${fuzzed.figure}`,
  };
}

/** One process for each processor; an hour in total, not by the clock on the wall. */
async function fuzz(tell: Tell): Promise<Outcome> {
  const targets = (await readdir(TARGETS)).map((file) => file.replace('.rs', '')).sort();
  const seconds = Math.ceil(FUZZ_SECONDS / targets.length);
  const waiting = [...targets];
  const bad: string[] = [];
  const work = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      tell(`fuzzing ${target} for ${seconds} s (${targets.length - waiting.length} of ${targets.length}) …`);
      const { code, log } = await runCommand(`kx-7-fuzz-${target}`, 'scripts/fuzz', [
        String(seconds),
        target,
      ]);
      if (code !== 0) bad.push(`${target} crashed or was not built; see ${log}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const figure = `${targets.length} targets fuzzed for ${seconds} s each, no crash`;
  return { passed: bad.length === 0, figure: bad.length === 0 ? figure : bad.join('; ') };
}

export function judgeHostile(lines: readonly HostileLine[]): Outcome {
  const of = (kind: string) => lines.filter(({ what }) => what.startsWith(kind));
  const total = (kind: string) => of(kind).reduce((sum, { injected }) => sum + injected, 0);
  const enough = ['mutated', 'replayed'].every((kind) => of(kind).length === 2 && total(kind) >= EACH);
  const clean = lines.every(({ injected, counted, delivered }) => delivered === 0 && counted === injected);
  return {
    passed: enough && clean,
    figure: `${total('mutated')} mutations and ${total('replayed')} replays, ${clean ? 'none delivered, all counted' : 'not all refused and counted'}`,
  };
}
