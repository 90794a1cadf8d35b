/** Role: processor time of processes, from /proc. Not here: which processes. */

import { readFile } from 'node:fs/promises';

/** USER_HZ, the same on all Linux systems. */
export const TICKS_PER_SECOND = 100;

/** Clock ticks of processor time that these processes have had. Errors: that of the system, where one of them is gone. */
export async function ticksOf(pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum;
}
