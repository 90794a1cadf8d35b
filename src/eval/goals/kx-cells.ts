/**
 * Role: the goal that a cell costs a relay hardly more than plain AEAD: `npm run goals -- kx 1`.
 *
 * Not here: the benchmarks (crates/cell/benches/hop, benches/cgo).
 */

import { runBench } from './bench.js';
import type { Goal, Outcome, Tell } from './goal.js';

const FEW_CIRCUITS = { circuits: 64, most: 1.8 };
const MANY_CIRCUITS = { circuits: 16_384, most: 2.8 };
const CGO = { body: 512, most: 0.65 };

export interface HopLine {
  readonly body: number;
  readonly circuits: number;
  readonly batch?: number;
  readonly ratio: number;
}

export interface CgoLine {
  readonly body: number;
  readonly engine: string;
  readonly ratio: number;
}

export const cellGoal: Goal = {
  area: 'kx',
  number: 1,
  title: `the per-hop step costs at most ${FEW_CIRCUITS.most} × AES-128-GCM open + seal, ${MANY_CIRCUITS.most} × at 16 384 circuits; the layer at most ${CGO.most} × Tor's CGO`,
  sampleSize: '336 and 512 bytes, interleaved rounds of one run each',
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  const hop = await runBench<HopLine>(tell, 'hop', ['-p', 'cell', '--bench', 'hop']);
  if (typeof hop === 'string') return { passed: false, figure: hop };
  const cgo = await runBench<CgoLine>(tell, 'cgo', ['--manifest-path', 'benches/cgo/Cargo.toml'], {
    CARGO_TARGET_DIR: 'target/cgo',
  });
  if (typeof cgo === 'string') return { passed: false, figure: cgo };
  return judgeCells(hop, cgo);
}

export function judgeCells(hop: readonly HopLine[], cgo: readonly CgoLine[]): Outcome {
  const few = hop.filter(({ circuits }) => circuits === FEW_CIRCUITS.circuits);
  const many = hop.filter(({ circuits, batch }) => circuits === MANY_CIRCUITS.circuits && batch === 32);
  const layer = cgo.filter(({ body }) => body === CGO.body);
  const passed =
    few.length === 2 &&
    many.length === 2 &&
    layer.length === 1 &&
    few.every(({ ratio }) => ratio <= FEW_CIRCUITS.most) &&
    many.every(({ ratio }) => ratio <= MANY_CIRCUITS.most) &&
    layer.every(({ ratio }) => ratio <= CGO.most);
  const steps = [...few, ...many].map(
    ({ body, circuits, ratio }) => `${body} bytes, ${circuits} circuits: ${ratio.toFixed(2)} ×`,
  );
  const layers = cgo.map(
    ({ body, engine, ratio }) => `layer at ${body} bytes (${engine}): ${ratio.toFixed(2)} × CGO`,
  );
  return { passed, figure: [...steps, ...layers].join('; ') };
}
