/**
 * Role: the pinned first and second hops of this peer, kept in STATE_DIR/kx/pinned.json.
 *
 * Invariants: they survive a restart; a damaged file is an error that names it, never a silent new choice, since losing
 * the pins is what an attacker would want.
 *
 * Not here: how a set behaves (pinned-peers.ts).
 */

import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import type { Candidate } from './peer-pool.js';
import { type PinnedPeer, PinnedPeers } from './pinned-peers.js';

const DAY_MS = 24 * 3_600_000;
const FIRST_HOPS = { wanted: 2, most: 8, lifetimeMs: { least: 30 * DAY_MS, most: 60 * DAY_MS } };
const SECOND_HOPS = { wanted: 4, most: 16, lifetimeMs: { least: 2 * DAY_MS, most: 5 * DAY_MS } };

const Peer = v.object({
  identity: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  address: v.string(),
  port: v.number(),
  expiresAt: v.number(),
  downUntil: v.number(),
  failures: v.number(),
});
const FileSchema = v.object({ version: v.literal(1), first: v.array(Peer), second: v.array(Peer) });

export class Guards {
  readonly first: PinnedPeers;
  readonly second: PinnedPeers;
  readonly #path: string;
  #written = '';
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, first: readonly PinnedPeer[], second: readonly PinnedPeer[]) {
    this.#path = path;
    this.first = new PinnedPeers(FIRST_HOPS, first, randomInt);
    this.second = new PinnedPeers(SECOND_HOPS, second, randomInt);
  }

  /** Errors: 'pinned-file' (damaged or unreadable), 'state-dir'. */
  static async load(stateDir: string): Promise<Guards> {
    const directory = join(stateDir, 'kx');
    const path = join(directory, 'pinned.json');
    await ensurePrivateDirectory(directory);
    try {
      const { first, second } = v.parse(FileSchema, JSON.parse(await readFile(path, 'utf8')));
      return new Guards(path, first.map(revive), second.map(revive));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Guards(path, [], []);
      throw new PeerError('pinned-file', `${path} cannot be read or is damaged`, {
        cause,
        remedy:
          'restore it from a backup; deleting it makes this peer choose new first hops, which costs anonymity',
      });
    }
  }

  /** Writes the file where something has changed, one state after the other. */
  save(): Promise<void> {
    const saved = this.#writing.then(() => this.#write());
    this.#writing = saved.catch(() => {});
    return saved;
  }

  async #write(): Promise<void> {
    const text = `${JSON.stringify({ version: 1, first: this.first.members.map(flatten), second: this.second.members.map(flatten) })}\n`;
    if (text === this.#written) return;
    await writePrivateFile(this.#path, text);
    this.#written = text;
  }

  /** The pinned first hops that are up; `now`: Unix milliseconds. */
  firstHops(now: number): readonly Candidate[] {
    return this.first.members.filter(({ downUntil, expiresAt }) => downUntil <= now && expiresAt > now);
  }

  noteFailure(peer: Candidate, now: number): void {
    this.first.noteFailure(peer.identity, now);
    this.second.noteFailure(peer.identity, now);
  }

  noteSuccess(path: readonly Candidate[]): void {
    const [first, second] = path;
    if (first !== undefined) this.first.noteSuccess(first.identity);
    if (second !== undefined) this.second.noteSuccess(second.identity);
  }
}

function revive(peer: v.InferOutput<typeof Peer>): PinnedPeer {
  return { ...peer, identity: Buffer.from(peer.identity, 'hex') };
}

function flatten(peer: PinnedPeer): v.InferOutput<typeof Peer> {
  const { trace: _trace, ...lasting } = peer;
  return { ...lasting, identity: peer.identity.toString('hex') };
}
