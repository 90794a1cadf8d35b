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

/** Reads what a program prints, a line a call. Errors of the call: 'load', when it has ended. */
export function linesOf(child: ChildProcess, name: string): () => Promise<string> {
  let unread = '';
  let wake = () => {};
  let over = false;
  child.stdout?.on('data', (chunk: Buffer) => {
    unread += chunk.toString();
    wake();
  });
  const end = () => {
    over = true;
    wake();
  };
  child.once('close', end);
  child.once('error', end);
  return async () => {
    while (!unread.includes('\n')) {
      if (over) throw new PeerError('load', `${name} has ended`);
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
