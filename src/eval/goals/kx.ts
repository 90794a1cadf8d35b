/**
 * Role: the goals of the KX that can be measured so far: `npm run goals -- kx`.
 *
 * Not here: the benchmark and the network that they run; the goals that nothing measures yet (docs/roadmap.md).
 */

import { fileURLToPath } from 'node:url';
import { type CallPathResults, TCP_BYTES, UDP_PACKETS } from './call-path-results.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import { rotationGoal } from './kx-rotation.js';

const CALL_PATH = fileURLToPath(new URL('./call-path.js', import.meta.url));
const FEW_CIRCUITS = { circuits: 64, most: 1.8 };
const MANY_CIRCUITS = { circuits: 16_384, most: 2.8 };
const MOST_P50_MS = 1;
const MOST_P99_MS = 5;
const LEAST_MBIT = 100;

export const kxGoals: readonly Goal[] = [
  {
    area: 'kx',
    number: 1,
    title: `the per-hop step costs at most ${FEW_CIRCUITS.most} × AES-128-GCM open + seal, ${MANY_CIRCUITS.most} × at 16 384 circuits`,
    sampleSize: '336 and 512 bytes, interleaved rounds of one run',
    run: hopRatios,
  },
  {
    area: 'kx',
    number: 3,
    title: `a call path of 3 + 3 hops: RTT p50 at most ${MOST_P50_MS} ms, p99 ${MOST_P99_MS} ms, no loss, TCP at least ${LEAST_MBIT} Mbit/s`,
    sampleSize: `${UDP_PACKETS} packets at 50/s, ${TCP_BYTES / 1e6} MB echoed, 8 peers`,
    run: callPath,
  },
  rotationGoal,
];

interface HopLine {
  readonly bench: string;
  readonly body: number;
  readonly circuits: number;
  readonly batch?: number;
  readonly ratio: number;
}

async function hopRatios(tell: Tell): Promise<Outcome> {
  tell('cargo bench -p cell --bench hop; building it takes minutes the first time');
  const { code, stdout, log } = await runCommand('kx-1', 'cargo', ['bench', '-p', 'cell', '--bench', 'hop']);
  const lines = stdout
    .split('\n')
    .filter((text) => text.startsWith('{"bench":"hop"'))
    .map((text) => JSON.parse(text) as HopLine);
  const few = lines.filter(({ circuits }) => circuits === FEW_CIRCUITS.circuits);
  const many = lines.filter(({ circuits, batch }) => circuits === MANY_CIRCUITS.circuits && batch === 32);
  if (code !== 0 || few.length < 2 || many.length < 2) {
    return { passed: false, figure: `the benchmark did not give all figures; see ${log}` };
  }
  const passed =
    few.every(({ ratio }) => ratio <= FEW_CIRCUITS.most) &&
    many.every(({ ratio }) => ratio <= MANY_CIRCUITS.most);
  const figure = [...few, ...many].map(
    ({ body, circuits, ratio }) => `${body} bytes, ${circuits} circuits: ${ratio.toFixed(2)} ×`,
  );
  return { passed, figure: figure.join('; ') };
}

async function callPath(tell: Tell): Promise<Outcome> {
  tell('eight peers, two tunnels; about two minutes');
  const { code, stdout, log } = await runCommand('kx-3', process.execPath, [CALL_PATH], { follow: true });
  if (code !== 0) return { passed: false, figure: `the network broke off; see ${log}` };
  return judgeCallPath(JSON.parse(stdout) as CallPathResults);
}

/** The TCP rate counts the bytes of one way; they cross the path in both at the same time. */
export function judgeCallPath({ udp, tcp }: CallPathResults): Outcome {
  const { p50, p99 } = udp.roundTripMs;
  const mbit = (TCP_BYTES * 8) / 1000 / tcp.milliseconds;
  const lost = udp.sent - udp.received;
  const passed = lost === 0 && p50 <= MOST_P50_MS && p99 <= MOST_P99_MS && tcp.echoed && mbit >= LEAST_MBIT;
  const way = tcp.echoed ? `TCP ${mbit.toFixed(0)} Mbit/s each way at once` : 'TCP was not byte-exact';
  return { passed, figure: `RTT p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${lost} lost; ${way}` };
}
