/**
 * Role: runs one of the repository's cargo benches for a goal and reads its JSON lines.
 *
 * Not here: what the figures must be.
 */

import { runCommand } from './command.js';
import type { Tell } from './goal.js';

/** The lines of a bench, or where to read what went wrong; `name`: what its lines call themselves. */
export async function runBench<Line>(
  tell: Tell,
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<readonly Line[] | string> {
  tell(`cargo bench ${args.join(' ')}; building it takes minutes the first time`);
  const { code, stdout, log } = await runCommand(`bench-${name}`, 'cargo', ['bench', ...args], { env });
  const lines = jsonLines(stdout, name) as Line[];
  return code === 0 && lines.length > 0 ? lines : `the benchmark did not give its figures; see ${log}`;
}

/** The JSON lines of bench `name` in what cargo prints; other lines are for people. */
export function jsonLines(stdout: string, name: string): unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(`{"bench":"${name}"`))
    .map((line) => JSON.parse(line));
}
