/**
 * Role: the goal that one is heard soon: `npm run goals -- voip 1`.
 *
 * Not here: the measurement (call-sound.ts).
 */

import { fileURLToPath } from 'node:url';
import { quantile } from '../quantile.js';
import type { CallSoundOptions, CallSoundResults } from './call-sound-results.js';
import { runCommand } from './command.js';
import { type Goal, type Outcome, type Part, runParts, type Tell } from './goal.js';

const PROGRAM = fileURLToPath(new URL('./call-sound.js', import.meta.url));
const CALL_SECONDS = 600;
const LINKS = 6;
const LINK_MS = 20;
const MOST_P50_MS = 100;
const MOST_P95_MS = 150;
const MOST_PIPEWIRE_P50_MS = 80;
/** Beyond the links' own delay. */
const MOST_BEYOND_MS = 110;
const MOST_ECHO_MS = 20;
const MOST_CPU = 0.12;

/** p50 of the call without emulated delay and echo cancellation, which others are compared with. */
let plainP50 = Number.NaN;

const parts: readonly Part[] = [
  {
    title: 'headset, no emulated delay',
    sampleSize: 'a call of ten minutes',
    run: (tell) =>
      measure(
        tell,
        { server: 'pulse', delayMs: 0, echoCancellation: false, seconds: CALL_SECONDS },
        (results, p50, p95) => {
          plainP50 = p50;
          return p50 <= MOST_P50_MS && p95 <= MOST_P95_MS && results.cpu.peer <= MOST_CPU;
        },
      ),
  },
  {
    title: 'with echo cancellation',
    sampleSize: 'a call of two minutes',
    run: (tell) =>
      measure(
        tell,
        { server: 'pulse', delayMs: 0, echoCancellation: true, seconds: 120 },
        (results, p50) => p50 <= plainP50 + MOST_ECHO_MS && results.cpu.peer <= MOST_CPU,
      ),
  },
  {
    title: `headset, ${LINK_MS} ms a link`,
    sampleSize: 'a call of two minutes',
    run: (tell) =>
      measure(
        tell,
        { server: 'pulse', delayMs: LINK_MS, echoCancellation: false, seconds: 120 },
        (_, p50) => p50 <= LINKS * LINK_MS + MOST_BEYOND_MS,
      ),
  },
  {
    title: 'headset, native PipeWire',
    sampleSize: 'a call of ten minutes',
    run: (tell) =>
      measure(
        tell,
        { server: 'pipewire', delayMs: 0, echoCancellation: false, seconds: CALL_SECONDS },
        (results, p50) => p50 <= MOST_PIPEWIRE_P50_MS && results.cpu.peer <= MOST_CPU,
      ),
  },
];

export const delayGoal: Goal = {
  area: 'voip',
  number: 1,
  title: `mouth to ear over 3 + 3 hops: p50 at most ${MOST_P50_MS} ms, p95 ${MOST_P95_MS} ms; with ${LINK_MS} ms a link at most ${MOST_BEYOND_MS} ms more than the links; echo cancellation at most ${MOST_ECHO_MS} ms; all processes of the peer at most ${MOST_CPU * 100} % of a core; native PipeWire p50 at most ${MOST_PIPEWIRE_P50_MS} ms`,
  sampleSize:
    'calls of 10, 2, 2 and 10 minutes between two of eight real peers, null sinks of PulseAudio and PipeWire; a delay for each second of speech',
  run: (tell) => runParts(parts, tell),
};

async function measure(
  tell: Tell,
  options: CallSoundOptions,
  holds: (results: CallSoundResults, p50: number, p95: number) => boolean,
): Promise<Outcome> {
  const { server, delayMs, echoCancellation, seconds } = options;
  const name = `${echoCancellation ? 'echo cancellation' : 'headset'}, ${delayMs} ms a link${server === 'pipewire' ? ', native PipeWire' : ''}`;
  tell(`${name}: eight peers, then a call of ${seconds} s`);
  const bins = ['--bin', 'peer-lab', '--bin', 'peer-wan'];
  const built = await runCommand('voip-1-build', 'cargo', ['build', '--release', '-p', 'lab', ...bins]);
  if (built.code !== 0) return { passed: false, figure: `the tools were not built; see ${built.log}` };
  const args = [PROGRAM, String(delayMs), echoCancellation ? 'yes' : 'no', String(seconds), server];
  const measured = await runCommand(`voip-1-${delayMs}-${args[2]}-${server}`, process.execPath, args, {
    follow: true,
  });
  if (measured.code !== 0)
    return { passed: false, figure: `${name}: the call broke off; see ${measured.log}` };
  const results = JSON.parse(measured.stdout) as CallSoundResults;
  const [p50, p95] = [quantile(results.delaysMs, 0.5), quantile(results.delaysMs, 0.95)];
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  return {
    passed: holds(results, p50, p95),
    figure: [
      `${name}: p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms of ${results.delaysMs.length}`,
      `PESQ-WB median ${quantile(results.pesq, 0.5).toFixed(2)}`,
      `${percent(results.cpu.peer)} of a core (VoIP ${percent(results.cpu.voip)})`,
      `${results.lost} of ${results.received} packets lost, ${results.concealed} frames concealed${results.realtime ? '' : ', without real-time priority'}`,
    ].join(', '),
  };
}
