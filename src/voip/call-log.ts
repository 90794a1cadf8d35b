/**
 * Role: which calls there were, in STATE_DIR/calls.json.
 *
 * Invariants: the file has mode 0600 and is replaced whole; at most `limit` calls are kept, the newest; with 0 nothing is
 * ever written, and what was is removed.
 *
 * Not here: the calls (telephone.ts).
 */

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import type { CallView } from './call.js';
import type { Missed } from './telephone-options.js';

const Entry = v.object({
  /** When it ended, Unix seconds. */
  endedSeconds: v.number(),
  direction: v.picklist(['incoming', 'outgoing']),
  /** Text of the other party's pseudo-identity. */
  remote: v.string(),
  contact: v.optional(v.string()),
  /** Name of our pseudo-identity. */
  identity: v.optional(v.string()),
  reason: v.string(),
  /** Whether the two talked, and how long. */
  talkedSeconds: v.optional(v.number()),
  /** It rang here and nobody answered. */
  missed: v.boolean(),
});
const FileSchema = v.object({ version: v.literal(1), calls: v.array(Entry) });

export type LoggedCall = v.InferOutput<typeof Entry>;

export class CallLog {
  readonly #directory: string;
  readonly #path: string;
  readonly #limit: number;
  /** One change of the file after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(stateDir: string, limit: number) {
    this.#directory = stateDir;
    this.#path = join(stateDir, 'calls.json');
    this.#limit = limit;
  }

  /** Oldest first. Errors: 'calls-file'. */
  async list(): Promise<LoggedCall[]> {
    try {
      return v.parse(FileSchema, JSON.parse(await readFile(this.#path, 'utf8'))).calls;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new PeerError('calls-file', `${this.#path} cannot be read or is damaged`, {
        cause,
        remedy: 'restore the file from a backup, or delete it to begin without a call log',
      });
    }
  }

  /** Keeps a call that is over. Errors: 'calls-file', 'state-dir'. */
  add(call: LoggedCall): Promise<void> {
    return this.#change((calls) => [...calls, call]);
  }

  /** Forgets all calls. Errors: 'state-dir'. */
  async clear(): Promise<void> {
    await this.#last.catch(() => {});
    await rm(this.#path, { force: true });
  }

  #change(change: (calls: LoggedCall[]) => LoggedCall[]): Promise<void> {
    const run = async () => {
      if (this.#limit === 0) return rm(this.#path, { force: true });
      const calls = change(await this.list()).slice(-this.#limit);
      await ensurePrivateDirectory(this.#directory);
      await writePrivateFile(this.#path, `${JSON.stringify({ version: 1, calls }, null, 1)}\n`);
    };
    const done = this.#last.catch(() => {}).then(run);
    this.#last = done;
    return done;
  }
}

/** Of a call that has ended. */
export function entryOf(call: CallView, endedSeconds: number): LoggedCall {
  const { direction, remote, contact, identity, reason = 'failed', talkedMs } = call;
  return {
    endedSeconds,
    direction,
    remote,
    ...(contact === undefined ? {} : { contact }),
    ...(identity === undefined ? {} : { identity }),
    reason,
    ...(talkedMs === undefined ? {} : { talkedSeconds: Math.round(talkedMs / 1000) }),
    missed: direction === 'incoming' && talkedMs === undefined && reason !== 'declined',
  };
}

/** Of somebody who was left to ring. */
export function missedEntry({ remote, contact, identity }: Missed, endedSeconds: number): LoggedCall {
  const known = contact === undefined ? {} : { contact };
  return {
    endedSeconds,
    direction: 'incoming',
    remote,
    ...known,
    identity,
    reason: 'no-answer',
    missed: true,
  };
}
