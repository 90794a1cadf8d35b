/**
 * Role: runs a program for a goal and keeps what it prints.
 *
 * Invariants: the whole output is kept in a log file; a program does not outlive an interrupted goal.
 *
 * Not here: what the output means.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const LOGS = join(REPOSITORY, '.cache/goals');
const running = new Set<ChildProcess>();

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  /** Where all that was printed stands. */
  readonly log: string;
}

/** Runs it in the repository to its end; `log` names the log file. With `follow`, its standard error is shown. */
export function runCommand(
  log: string,
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly follow?: boolean } = {},
): Promise<CommandResult> {
  mkdirSync(LOGS, { recursive: true });
  const path = join(LOGS, `${log}.log`);
  const file = createWriteStream(path);
  const child = spawn(program, args, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  running.add(child);
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    file.write(text);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    file.write(chunk);
    if (options.follow === true) process.stderr.write(chunk);
  });
  return new Promise((resolve) => {
    const end = (code: number | null) => {
      running.delete(child);
      file.end(() => resolve({ code, stdout, log: path }));
    };
    child.once('error', (error) => {
      file.write(`${program}: ${error.message}\n`);
      end(null);
    });
    child.once('close', end);
  });
}

/** Ends what runs; for the way out after a signal. */
export function endCommands(): void {
  for (const child of running) child.kill('SIGTERM');
}
