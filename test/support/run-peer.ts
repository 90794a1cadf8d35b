/**
 * Role: runs the `peer` program as a person does, and gathers what it says.
 *
 * Not here: assertions.
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../../bin/peer.js', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end. */
export async function runPeer(...args: string[]): Promise<Outcome> {
  const running = startPeer(...args);
  running.child.stdin.end();
  return running.ended;
}

/** Starts it; `ended` settles with its exit. */
export function startPeer(...args: string[]): {
  child: ChildProcessWithoutNullStreams;
  ended: Promise<Outcome>;
  /** Settles when stdout and stderr together match. */
  until: (pattern: RegExp) => Promise<string>;
} {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Outcome>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const until = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (pattern.test(stdout + stderr)) resolve(stdout + stderr);
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      void ended.then((outcome) => reject(new Error(`ended before ${pattern}: ${outcome.stderr}`)));
      look();
    });
  return { child, ended, until };
}
