/**
 * Role: the same as main.ts in virtual time: production engines of the KX, and the telephone's packets as a model (crates/kx/benches/lookalike.rs).
 *
 *   node virtual.js [CALLS]    prints one line of JSON: LookalikeResults, without phases
 *
 * Not here: what is looked at (features.ts), whether it tells anything (classify.ts).
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import { featuresOf } from './features.js';
import type { Kind, LookalikeResults, Observation } from './results.js';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const CALLS = 400;
const KX_PORT = 3_001;
/** All datagrams of a KX have one size; what is seen here is when and where. */
const SIZE = 384;
const TENTHS = 10;

/** A line of the bench: times in tenths of a millisecond. */
interface Line {
  readonly lookalike: Kind;
  readonly answered: number;
  readonly ended: number;
  readonly at: readonly number[];
  readonly out: readonly number[];
  readonly other: readonly number[];
}

async function observe(calls: number): Promise<LookalikeResults> {
  const args = ['bench', '-p', 'kx', '--bench', 'lookalike', '--', String(calls)];
  const child = spawn('cargo', args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const observations: Observation[] = [];
  const failed: string[] = [];
  for await (const text of createInterface({ input: child.stdout })) {
    if (!text.startsWith('{')) continue;
    const observation = observed(JSON.parse(text) as Line);
    if (observation === null) failed.push('the rate did not rise');
    else observations.push(observation);
  }
  const [code] = await ended;
  if (code !== 0) throw new PeerError('bench', `cargo ${args.join(' ')} ended with ${code}`);
  return { phases: [], observations, failed };
}

function observed({ lookalike, answered, ended, at, out, other }: Line): Observation | null {
  const seen = {
    atMs: at.map((tenths) => tenths / TENTHS),
    isOut: out.map((one) => one === 1),
    other: [...other],
    port: at.map(() => KX_PORT),
    size: at.map(() => SIZE),
  };
  const trial = { kind: lookalike, peer: '', answeredMs: answered / TENTHS, endedMs: ended / TENTHS };
  const features = featuresOf(seen, trial, KX_PORT);
  return features && { kind: lookalike, peer: '', features };
}

process.stdout.write(`${JSON.stringify(await observe(Number(process.argv[2] ?? CALLS)))}\n`);
