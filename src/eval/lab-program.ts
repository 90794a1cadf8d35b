/**
 * Role: the programs of crates/lab, as the harness starts and reads them.
 *
 * Not here: what they do (relay-network.ts, wan-hosts.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../errors.js';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Where cargo puts a release binary. */
export function labBinary(name: string): string {
  return join(process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target'), 'release', name);
}

/** Reads what a program prints, a line a call. Errors of the call: 'load', when it has ended or never began. */
export function linesOf(child: ChildProcess, name: string): () => Promise<string> {
  let unread = '';
  let wake = () => {};
  let over: string | null = null;
  child.stdout?.on('data', (chunk: Buffer) => {
    unread += chunk.toString();
    wake();
  });
  const end = (reason: string) => {
    over ??= reason;
    wake();
  };
  child.once('close', () => end(`${name} has ended`));
  child.once('error', (error) => end(`${name} cannot be started: ${error.message}`));
  return async () => {
    while (!unread.includes('\n')) {
      if (over !== null) throw new PeerError('load', over);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const at = unread.indexOf('\n');
    const text = unread.slice(0, at);
    unread = unread.slice(at + 1);
    return text;
  };
}
