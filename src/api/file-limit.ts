/**
 * Role: how many files and sockets this process may have open.
 *
 * Node raises the soft limit to the hard one when it starts, so what stands here cannot be raised from within.
 *
 * Not here: what to do about too low a limit.
 */

import { readFileSync } from 'node:fs';

/** Infinity where the system does not say. */
export function openFileLimit(): number {
  try {
    return readOpenFileLimit(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The soft limit in the text of /proc/PID/limits. */
export function readOpenFileLimit(limits: string): number {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
