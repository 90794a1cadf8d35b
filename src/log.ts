/**
 * Role: the one way to log: pino to stderr, as readable single lines on a terminal and as JSON otherwise.
 *
 * Invariants: stdout stays free for results; fields that may hold secrets are redacted by name; hostile
 * packets are counted by their modules and never logged one by one above trace.
 *
 * Not here: where log files go (the supervisor and systemd decide that).
 */

import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

/** The levels that LOG_LEVEL takes. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECRET_FIELDS = ['secretKey', 'privateKey', 'passphrase', 'secret', 'seed', 'hostkeyPem'];
const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
const HIDDEN_FIELDS = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg']);

export interface LogOptions {
  readonly level: LogLevel;
  /** Stands at the head of each line: 'dht', 'kx', 'voip'. */
  readonly name: string;
  /** For tests. Default: stderr, formatted if that is a terminal. */
  readonly destination?: DestinationStream;
}

export function createLogger({ level, name, destination }: LogOptions): Logger {
  const paths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]);
  return pino(
    { level, name, base: { name }, redact: { paths, censor: '[redacted]' } },
    destination ?? (process.stderr.isTTY ? terminalStream() : pino.destination({ dest: 2, sync: true })),
  );
}

/**
 * One JSON log line as a line for people: `12:34:56.789 warn dht: message field=value`.
 *
 * A line that is not one of ours comes back as it stands.
 */
export function formatLogLine(line: string): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof record !== 'object' || record === null || !('level' in record) || !('time' in record))
    return line;
  const fields = record as Record<string, unknown>;
  const time = new Date(Number(fields.time));
  const clock = Number.isNaN(time.getTime()) ? '' : time.toISOString().slice(11, 23);
  const level = LEVEL_NAMES[Number(fields.level)] ?? String(fields.level);
  const rest = Object.entries(fields)
    .filter(([key]) => !HIDDEN_FIELDS.has(key))
    .map(([key, value]) => ` ${key}=${formatValue(value)}`);
  return `${clock} ${level} ${String(fields.name ?? '')}: ${String(fields.msg ?? '')}${rest.join('')}`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value === 'object' && value !== null && 'message' in value) {
    const code = 'code' in value ? `${String(value.code)}: ` : '';
    return JSON.stringify(code + String(value.message));
  }
  return JSON.stringify(value);
}

function terminalStream(): DestinationStream {
  return { write: (line: string) => process.stderr.write(`${formatLogLine(line.trimEnd())}\n`) };
}
