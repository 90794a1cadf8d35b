/**
 * Role: a file that the proxy writes while it runs.
 *
 * Invariants: what was written is in the file when the call returns, so that nothing waits in memory; the file is for its
 * owner alone, since API messages carry secrets (tunnel keys, contents). A disk that is full ends the file, not the proxy.
 *
 * Not here: what is written (event-log.ts, capture.ts).
 */

import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { PeerError } from '../../errors.js';
import type { Logger } from '../../log.js';

export class OutputFile {
  readonly #path: string;
  readonly #log: Logger;
  #file: number | null;

  /** Makes the file anew, mode 0600. Errors: 'proxy-file'. */
  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    try {
      this.#file = openSync(path, 'w', 0o600);
      if (fstatSync(this.#file).isFile()) fchmodSync(this.#file, 0o600);
    } catch (cause) {
      throw new PeerError('proxy-file', `cannot write ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  write(bytes: Buffer): void {
    try {
      for (let done = 0; this.#file !== null && done < bytes.length; )
        done += writeSync(this.#file, bytes, done);
    } catch (error) {
      this.#log.error({ err: error, path: this.#path }, 'the file ends here: it cannot be written');
      this.close();
    }
  }

  /** What comes later is not written. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}
