/**
 * Role: the goals of the KX that can be measured so far: `npm run goals -- kx`.
 *
 * Not here: goals with files of their own; the network that is run; the goals that nothing measures yet (docs/roadmap.md).
 */

import { fileURLToPath } from 'node:url';
import { type CallPathResults, TCP_BYTES, UDP_PACKETS } from './call-path-results.js';
import { runCommand } from './command.js';
import type { Goal, Outcome, Tell } from './goal.js';
import { buildGoal } from './kx-build.js';
import { cellGoal } from './kx-cells.js';
import { hostileGoal } from './kx-hostile.js';
import { rotationGoal } from './kx-rotation.js';

const CALL_PATH = fileURLToPath(new URL('./call-path.js', import.meta.url));
const MOST_P50_MS = 1;
const MOST_P99_MS = 5;
const LEAST_MBIT = 100;

export const kxGoals: readonly Goal[] = [
  cellGoal,
  {
    area: 'kx',
    number: 3,
    title: `a call path of 3 + 3 hops: RTT p50 at most ${MOST_P50_MS} ms, p99 ${MOST_P99_MS} ms, no loss, TCP at least ${LEAST_MBIT} Mbit/s`,
    sampleSize: `${UDP_PACKETS} packets at 50/s, ${TCP_BYTES / 1e6} MB echoed, 8 peers`,
    run: callPath,
  },
  rotationGoal,
  buildGoal,
  hostileGoal,
];

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
