/**
 * Role: what remains of a run: of the demo, ./demo-out/<time>/ with recordings and logs.
 *
 * Invariants: hostkeys and state of peers are never kept; nothing is made before there is something to keep.
 *
 * Not here: the measuring.
 */

import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './lab.js';

export class Keepsake {
  readonly #directory: string;

  constructor(
    directory = join(REPOSITORY, 'demo-out', new Date().toISOString().slice(0, 19).replaceAll(':', '-')),
  ) {
    this.#directory = directory;
  }

  /** Is made when it is first asked for. */
  get directory(): string {
    mkdirSync(this.#directory, { recursive: true });
    return this.#directory;
  }

  /** Returns where the file is kept. */
  keepFile(file: string, name: string): string {
    const kept = join(this.directory, name);
    copyFileSync(file, kept);
    return kept;
  }

  keepText(text: string, name: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  /** Keeps the logs of all peers below `peersDirectory`, and returns where. */
  keepLogs(peersDirectory: string): string {
    const logs = join(this.directory, 'logs');
    mkdirSync(logs, { recursive: true });
    for (const entry of readdirSync(peersDirectory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const from = join(peersDirectory, entry.name);
      for (const log of readdirSync(from).filter((name) => name.endsWith('.log'))) {
        copyFileSync(join(from, log), join(logs, `${entry.name}-${log}`));
      }
    }
    return logs;
  }
}
