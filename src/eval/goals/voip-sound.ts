/**
 * Role: the goal that voice sounds well after codec, network and jitter buffer, and that echo is taken away:
 * `npm run goals -- voip 2`.
 *
 * Not here: the calls in virtual time and the rooms (crates/lab/benches/voice).
 */

import { runBench } from './bench.js';
import type { Goal, Outcome, Tell } from './goal.js';

/** A network, and the least PESQ-WB over it: the mean over all calls of a voice. */
interface Bar {
  readonly network: string;
  readonly pesq: number;
  /** Most delay beyond that of network, frames and codec; mean over the calls. */
  readonly addedMs?: number;
  /** The bar holds for the person's voice alone; the figure of the synthetic one is told. */
  readonly isHumanOnly?: true;
}

const BARS: readonly Bar[] = [
  { network: 'no loss', pesq: 4.1 },
  { network: '1 % loss', pesq: 4.0 },
  { network: '3 % loss', pesq: 3.9 },
  { network: '5 % loss', pesq: 3.8 },
  { network: '10 % loss', pesq: 3.4 },
  { network: 'bursts and jitter', pesq: 3.8, addedMs: 45, isHumanOnly: true },
];
const VOICES = ['human', 'synthetic'];
const LEAST_ERLE_DB = 30;
const LEAST_LIKENESS = 0.8;
const MOST_LEVEL_DB = 6;

export interface CallLine {
  readonly network: string;
  readonly voice: string;
  readonly calls: number;
  readonly pesq: number;
  readonly worst_pesq: number;
  readonly added_ms: number;
}

export interface EchoLine {
  readonly echo: string;
  readonly far: string;
  readonly rooms: number;
  readonly erle_db: number;
  readonly likeness: number;
  readonly level_db: number;
  readonly pesq_alone: number;
  readonly pesq_both: number;
}

function describeBar({ network, pesq, addedMs, isHumanOnly }: Bar): string {
  const delay = addedMs === undefined ? '' : `, at most ${addedMs} ms added`;
  return `${pesq.toFixed(1)} (${network}${delay}${isHumanOnly ? ', recorded voice' : ''})`;
}

export const soundGoal: Goal = {
  area: 'voip',
  number: 2,
  title: `PESQ-WB at least ${BARS.map(describeBar).join(', ')}; ERLE at least ${LEAST_ERLE_DB} dB after 5 s, and double talk is heard`,
  sampleSize:
    '24 calls for each network and voice, recorded and synthetic; bursts: 3 % in runs of 2.5, 40 ± 15 ms; 9 rooms for each voice',
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  const lines = await runBench<CallLine | EchoLine>(tell, 'voice', ['-p', 'lab', '--bench', 'voice']);
  return typeof lines === 'string' ? { passed: false, figure: lines } : judgeSound(lines);
}

export function judgeSound(lines: readonly (CallLine | EchoLine)[]): Outcome {
  const calls = lines.filter((line): line is CallLine => 'network' in line);
  const echoes = lines.filter((line): line is EchoLine => 'echo' in line);
  const parts = [...BARS.map((bar) => judgeBar(bar, calls)), judgeEcho(echoes)];
  return {
    passed: parts.every(({ passed }) => passed),
    figure: parts.map(({ passed, figure }) => (passed ? figure : `FAILED ${figure}`)).join('; '),
  };
}

function judgeBar({ network, pesq, addedMs, isHumanOnly }: Bar, calls: readonly CallLine[]): Outcome {
  const voices = VOICES.map((voice) => calls.find((it) => it.network === network && it.voice === voice));
  const passed = voices.every(
    (line) =>
      line !== undefined &&
      line.calls > 0 &&
      ((isHumanOnly && line.voice !== 'human') || line.pesq >= pesq) &&
      line.added_ms <= (addedMs ?? Number.POSITIVE_INFINITY),
  );
  const figures = voices.map((line, index) =>
    line === undefined
      ? `${VOICES[index]}: missing`
      : `${line.voice} ${line.pesq.toFixed(2)} (worst ${line.worst_pesq.toFixed(2)}, ${line.added_ms.toFixed(0)} ms added)`,
  );
  return { passed, figure: `${network}: ${figures.join(', ')}` };
}

function judgeEcho(echoes: readonly EchoLine[]): Outcome {
  const passed =
    VOICES.every((voice) => echoes.some(({ far }) => far === voice)) &&
    echoes.every(
      ({ erle_db, likeness, level_db, rooms }) =>
        rooms > 0 &&
        erle_db >= LEAST_ERLE_DB &&
        likeness >= LEAST_LIKENESS &&
        Math.abs(level_db) <= MOST_LEVEL_DB,
    );
  const figures = echoes.map(
    ({ far, erle_db, likeness, level_db, pesq_alone, pesq_both }) =>
      `${far} far end: ERLE ${erle_db.toFixed(0)} dB, double talk likeness ${likeness.toFixed(2)} at ${level_db.toFixed(1)} dB (PESQ ${pesq_both.toFixed(2)}), without echo PESQ ${pesq_alone.toFixed(2)}`,
  );
  return { passed, figure: figures.join(', ') || 'no echo was measured' };
}
