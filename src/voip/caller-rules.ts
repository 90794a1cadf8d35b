/**
 * Role: whose calls are told to a person, in STATE_DIR/callers.json: for each pseudo-identity a rule, for all a block list.
 *
 * Invariants: the file has mode 0600 and is replaced whole; whoever may not ring finds no difference to somebody who
 * rings and whom nobody answers; one caller does not ring without end.
 *
 * Not here: how a caller is left to ring (quiet-ringing.ts).
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Clock } from '../clock.js';
import { PeerError } from '../errors.js';
import { formatPseudoIdentity } from '../identity/pseudo-identity.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';

/** Who may ring. */
export const ANSWER_RULES = ['everyone', 'contacts', 'nobody'] as const;
export type AnswerRule = (typeof ANSWER_RULES)[number];

const FileSchema = v.object({
  version: v.literal(1),
  /** By name of our pseudo-identity; everyone may call those that are not named. */
  answer: v.record(v.string(), v.picklist(ANSWER_RULES)),
  /** Texts of pseudo-identities. */
  blocked: v.array(v.string()),
});
type Rules = Omit<v.InferOutput<typeof FileSchema>, 'version'>;

const NO_RULES: Rules = { answer: {}, blocked: [] };
/** So often one caller may ring in vain within this time. */
const MAX_RINGS = 4;
const RINGS_WITHIN_MS = 5 * 60_000;
const MAX_CALLERS = 1_024;

/** A person is told of the caller; or finds the call among those missed; or never hears of it. */
export type Verdict = 'ring' | 'missed' | 'ignored';

export interface Ringing {
  /** Name of our pseudo-identity. */
  readonly local: string;
  readonly remote: Buffer;
  readonly isContact: boolean;
}

export class CallerRules {
  readonly #directory: string;
  readonly #path: string;
  readonly #clock: Clock;
  /** When a caller rang in vain, by name of our pseudo-identity and its text: one says nothing about another. The last one is last. */
  readonly #rings = new Map<string, number[]>();

  constructor(stateDir: string, clock: Clock) {
    this.#directory = stateDir;
    this.#path = join(stateDir, 'callers.json');
    this.#clock = clock;
  }

  /** What becomes of a caller. Errors: 'callers-file'. */
  async judge({ local, remote, isContact }: Ringing): Promise<Verdict> {
    const { answer, blocked } = await this.#read();
    const id = formatPseudoIdentity(remote);
    const rule = Object.hasOwn(answer, local) ? answer[local] : 'everyone';
    if (blocked.includes(id) || (rule === 'contacts' && !isContact) || !this.#isPatient(`${local} ${id}`))
      return 'ignored';
    return rule === 'nobody' ? 'missed' : 'ring';
  }

  /** Errors: 'callers-file'. */
  async ruleOf(local: string): Promise<AnswerRule> {
    const { answer } = await this.#read();
    return (Object.hasOwn(answer, local) ? answer[local] : undefined) ?? 'everyone';
  }

  /** Errors: 'callers-file', 'state-dir'. */
  async setRule(local: string, rule: AnswerRule): Promise<void> {
    const rules = await this.#read();
    await this.#write({ ...rules, answer: { ...rules.answer, [local]: rule } });
  }

  /** Texts of pseudo-identities. Errors: 'callers-file'. */
  async blocked(): Promise<readonly string[]> {
    return (await this.#read()).blocked;
  }

  /** Errors: 'callers-file', 'state-dir'. */
  async block(remote: Buffer): Promise<void> {
    const rules = await this.#read();
    const id = formatPseudoIdentity(remote);
    await this.#write({ ...rules, blocked: [...rules.blocked.filter((other) => other !== id), id] });
  }

  /** Errors: 'callers-file', 'state-dir'. */
  async unblock(remote: Buffer): Promise<void> {
    const rules = await this.#read();
    const id = formatPseudoIdentity(remote);
    await this.#write({ ...rules, blocked: rules.blocked.filter((other) => other !== id) });
  }

  /** A person has talked with this caller (text of its pseudo-identity): it may ring as if it never had. */
  answered(local: string, id: string): void {
    this.#rings.delete(`${local} ${id}`);
  }

  #isPatient(pair: string): boolean {
    const now = this.#clock.now();
    const rings = (this.#rings.get(pair) ?? []).filter((atMs) => now - atMs < RINGS_WITHIN_MS);
    const may = rings.length < MAX_RINGS;
    this.#rings.delete(pair);
    this.#rings.set(pair, may ? [...rings, now] : rings);
    for (const oldest of this.#rings.keys()) if (this.#rings.size > MAX_CALLERS) this.#rings.delete(oldest);
    return may;
  }

  async #read(): Promise<Rules> {
    try {
      return v.parse(FileSchema, JSON.parse(await readFile(this.#path, 'utf8')));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return NO_RULES;
      throw new PeerError('callers-file', `${this.#path} cannot be read or is damaged`, {
        cause,
        remedy: 'restore the file from a backup, or delete it to begin without rules',
      });
    }
  }

  async #write({ answer, blocked }: Rules): Promise<void> {
    await ensurePrivateDirectory(this.#directory);
    await writePrivateFile(this.#path, `${JSON.stringify({ version: 1, answer, blocked }, null, 2)}\n`);
  }
}
