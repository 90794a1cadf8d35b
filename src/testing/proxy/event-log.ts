/**
 * Role: the proxy's log: one line of JSON for each thing that happened.
 *
 * Not here: what happened (connection.ts, course.ts), the file (output-file.ts).
 */

import type { Clock } from '../../clock.js';
import type { OutputFile } from './output-file.js';

export interface LogRecord {
  readonly connection: number;
  readonly event:
    | 'open'
    | 'message'
    | 'malformed'
    | 'stray'
    | 'end'
    | 'reset'
    | 'cut'
    | 'close'
    | 'unreachable';
  readonly [field: string]: unknown;
}

export class EventLog {
  readonly #file: OutputFile;
  readonly #clock: Clock;

  constructor(file: OutputFile, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  write(record: LogRecord): void {
    const time = isoTime(this.#clock.now());
    this.#file.write(Buffer.from(`${JSON.stringify({ time, ...record })}\n`));
  }
}

/** With microseconds, as the capture has them. */
function isoTime(ms: number): string {
  const micros = String(Math.floor((ms % 1) * 1_000)).padStart(3, '0');
  return new Date(Math.floor(ms)).toISOString().replace('Z', `${micros}Z`);
}
