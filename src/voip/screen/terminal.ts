/**
 * Role: the terminal's second screen, for as long as the program runs.
 *
 * Invariants: whatever way the process ends that it can notice, the terminal is as before: first screen, cursor visible,
 * modes of the line restored; nothing that was shown is left in its history.
 *
 * Not here: what is drawn (view.tsx).
 */

import { writeSync } from 'node:fs';

const ENTER = '\x1b[?1049h\x1b[2J\x1b[H';
const LEAVE = '\x1b[?25h\x1b[?1049l';

/** Returns what goes back, which works once. */
export function enterSecondScreen(): () => void {
  writeOut(ENTER);
  let isIn = true;
  const leave = () => {
    if (!isIn) return;
    isIn = false;
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    writeOut(LEAVE);
    process.off('exit', leave);
    process.off('uncaughtExceptionMonitor', leave);
  };
  process.on('exit', leave);
  // Before the fault is printed, so that it can be read.
  process.on('uncaughtExceptionMonitor', leave);
  return leave;
}

/** At once, also while the process exits; a terminal that is gone takes nothing. */
function writeOut(text: string): void {
  try {
    writeSync(process.stdout.fd, text);
  } catch {
    // Nobody is there to see it.
  }
}
