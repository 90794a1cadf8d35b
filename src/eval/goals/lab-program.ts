/** Role: runs a measuring program that needs `peer-lab` for a goal. Not here: what its results mean. */

import { runCommand } from './command.js';
import type { Outcome } from './goal.js';

/** Builds `peer-lab`, runs the program and judges the results that it prints as JSON. */
export async function runLabProgram<R>(
  name: string,
  args: readonly string[],
  judge: (results: R) => Outcome,
): Promise<Outcome> {
  const tools = ['build', '--release', '-p', 'lab', '--bin', 'peer-lab'];
  const built = await runCommand(`${name}-build`, 'cargo', tools);
  if (built.code !== 0) return { passed: false, figure: `the tools were not built; see ${built.log}` };
  const { code, stdout, log } = await runCommand(name, process.execPath, args, { follow: true });
  if (code !== 0) return { passed: false, figure: `the network broke off; see ${log}` };
  return judge(JSON.parse(stdout) as R);
}
