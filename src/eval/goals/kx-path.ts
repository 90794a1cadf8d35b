/**
 * Role: the goal that a whole call path is quick: `npm run goals -- kx 3`. It has several parts; the one without emulated delay
 * is here.
 *
 * Not here: the network that is measured (call-path.ts), the other parts (kx-path-wan.ts, kx-tunnel-end.ts).
 */

import { fileURLToPath } from 'node:url';
import { type CallPathResults, DOWNLOAD_BYTES, ECHO_BYTES, UDP_PACKETS } from './call-path-results.js';
import { runCommand } from './command.js';
import { type Goal, type Outcome, type Part, runParts, type Tell } from './goal.js';
import { delayedPart, lossyPart } from './kx-path-wan.js';
import { tunnelEndPart } from './kx-tunnel-end.js';

const CALL_PATH = fileURLToPath(new URL('./call-path.js', import.meta.url));
const MOST_P50_MS = 1;
const MOST_P99_MS = 5;
const LEAST_MBIT = 100;

const barePart: Part = {
  title: `RTT p50 at most ${MOST_P50_MS} ms, p99 ${MOST_P99_MS} ms, no loss, TCP at least ${LEAST_MBIT} Mbit/s`,
  sampleSize: `${UDP_PACKETS} packets at 50/s, ${DOWNLOAD_BYTES / 1e6} MB one way, ${ECHO_BYTES / 1e6} MB echoed, 8 peers`,
  run,
};

const PARTS: readonly Part[] = [barePart, delayedPart, lossyPart, tunnelEndPart];

export const pathGoal: Goal = {
  area: 'kx',
  number: 3,
  title: `a call path of 3 + 3 hops: ${PARTS.map(({ title }) => title).join('; ')}`,
  sampleSize: PARTS.map(({ sampleSize }) => sampleSize).join('; '),
  run: (tell) => runParts(PARTS, tell),
};

async function run(tell: Tell): Promise<Outcome> {
  tell('eight peers, two tunnels; about two minutes');
  const { code, stdout, log } = await runCommand('kx-3', process.execPath, [CALL_PATH], { follow: true });
  if (code !== 0) return { passed: false, figure: `the network broke off; see ${log}` };
  return judgeCallPath(JSON.parse(stdout) as CallPathResults);
}

export function judgeCallPath({ udp, download, echo }: CallPathResults): Outcome {
  const { p50, p99 } = udp.roundTripMs;
  const rate = (bytes: number, milliseconds: number) => (bytes * 8) / 1000 / milliseconds;
  const mbit = rate(DOWNLOAD_BYTES, download.milliseconds);
  const lost = udp.sent - udp.received;
  const passed =
    lost === 0 &&
    p50 <= MOST_P50_MS &&
    p99 <= MOST_P99_MS &&
    download.exact &&
    echo.echoed &&
    mbit >= LEAST_MBIT;
  const both = rate(ECHO_BYTES, echo.milliseconds).toFixed(0);
  const way =
    download.exact && echo.echoed
      ? `TCP ${mbit.toFixed(0)} Mbit/s one way, ${both} each way at once`
      : 'TCP was not byte-exact';
  return { passed, figure: `RTT p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${lost} lost; ${way}` };
}
