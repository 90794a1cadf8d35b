/**
 * Role: the goal that circuits are quickly built and handshakes cheap: `npm run goals -- kx 5`.
 *
 * Not here: the benchmarks (crates/pump/benches, crates/kx/benches).
 */

import { runBench } from './bench.js';
import type { Goal, Outcome, Tell } from './goal.js';

const MOST_BUILD_US = 3_000;
const LEAST_HANDSHAKES = 8_000;

export interface BuildLine {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly roundTripsUs: number;
}

export interface HandshakeLine {
  readonly kind: 'hop' | 'link';
  readonly perSecond: number;
}

export const buildGoal: Goal = {
  area: 'kx',
  number: 5,
  title: `a circuit of 3 hops within ${MOST_BUILD_US / 1000} ms plus the round trips to its hops (p50); at least ${LEAST_HANDSHAKES} handshakes a second and core`,
  sampleSize: '400 circuits over warm links between four packet threads; 6 000 handshakes of each kind',
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  const built = await runBench<BuildLine>(tell, 'circuit_build', ['-p', 'pump', '--bench', 'circuit_build']);
  if (typeof built === 'string') return { passed: false, figure: built };
  const shaken = await runBench<HandshakeLine>(tell, 'handshakes', ['-p', 'kx', '--bench', 'handshakes']);
  if (typeof shaken === 'string') return { passed: false, figure: shaken };
  return judgeBuild(built, shaken);
}

export function judgeBuild(built: readonly BuildLine[], shaken: readonly HandshakeLine[]): Outcome {
  const [circuit] = built;
  if (circuit === undefined) return { passed: false, figure: 'no circuit was measured' };
  const kinds = new Set(shaken.map(({ kind }) => kind));
  const passed =
    circuit.p50Us <= MOST_BUILD_US + circuit.roundTripsUs &&
    kinds.size === 2 &&
    shaken.every(({ perSecond }) => perSecond >= LEAST_HANDSHAKES);
  const ms = (us: number) => (us / 1000).toFixed(2);
  const rates = shaken.map(({ kind, perSecond }) => `${perSecond} ${kind} handshakes/s and core`);
  return {
    passed,
    figure: `circuit p50 ${ms(circuit.p50Us)} ms, p99 ${ms(circuit.p99Us)} ms (round trips ${ms(circuit.roundTripsUs)} ms); ${rates.join(', ')}`,
  };
}
