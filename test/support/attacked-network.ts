/**
 * Role: a few real DHT daemons on loopback addresses, and an attacker as a process against them.
 *
 * Invariants: each daemon has a /16 of its own, the attacker another, and the caps for prefixes hold, as between hosts of different
 * networks; what the attacker has found (positions, keys) is kept in .cache for the next run.
 *
 * Not here: assertions.
 */

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient, type ApiEndpoint } from '../../src/api/client.js';
import type { Daemon } from '../../src/api/daemon.js';
import { loadConfig } from '../../src/config/config.js';
import { startDht } from '../../src/dht/daemon.js';
import { readDhtCertificate } from '../../src/engine/dht-certificate.js';
import { ikKey } from '../../src/engine/ik-handshake.js';
import { releaseMemory } from '../../src/engine/memory.js';
import { searchPuzzle } from '../../src/engine/puzzle.js';
import { createLogger } from '../../src/log.js';
import { testHostkeyPath } from './hostkeys.js';
import { startPeer } from './run-peer.js';

const ATTACKER_STATE = fileURLToPath(new URL('../../../.cache/attacker', import.meta.url));
const COUNT = 5;
const PUZZLED_MS = 60_000;
const ANSWER_MS = 15_000;
/** Where a liar has given something, no ERROR says that there is nothing else. */
const POLL_MS = 1_500;
const running = new Set<ChildProcess>();

export interface HonestPeer {
  readonly daemon: Daemon;
  readonly api: ApiEndpoint;
}

export class AttackedNetwork {
  readonly peers: HonestPeer[] = [];
  /** For an attacker that is a node. */
  configFile = '';
  readonly #kept: { readonly key: Buffer; readonly content: Buffer }[] = [];

  private constructor(readonly directory: string) {}

  /** Resolves when all know each other. */
  static async start(): Promise<AttackedNetwork> {
    const network = new AttackedNetwork(await mkdtemp(join(tmpdir(), 'peer-attacked-')));
    const log = createLogger({ level: 'silent', name: 'dht' });
    // Blocks of 127/8 of this process's own, so that several test runs do not meet.
    const hosts = Array.from({ length: COUNT + 1 }, (_, index) => loopback(index));
    const hostlist = hosts.slice(0, COUNT).join(', ');
    for (const [index, host] of hosts.entries()) {
      const isAttacker = index === COUNT;
      const lines = [
        `HOSTKEY = ${await testHostkeyPath(index)}`,
        `STATE_DIR = ${isAttacker ? ATTACKER_STATE : `state-${index}`}`,
        ...[
          '[DHT]',
          `HOSTNAME = ${isAttacker ? hosts[0] : host}`,
          'PORT = 3086',
          `OVERLAY_HOSTNAME = ${host}`,
        ],
        ...[`HOSTLIST = ${hostlist}`, 'REPLICATION = 3', 'PRIVATE_LOOKUPS = no', 'DIVERSITY = on', ''],
      ];
      const file = join(network.directory, `peer-${index}.ini`);
      await writeFile(file, lines.join('\n'));
      if (isAttacker) network.configFile = file;
      else {
        const daemon = await startDht(loadConfig(file), log, {
          searchPuzzle,
          ikKey,
          readDhtCertificate,
          releaseMemory,
        });
        network.peers.push({ daemon, api: { host, port: 3086 } });
      }
    }
    await mkdir(ATTACKER_STATE, { recursive: true, mode: 0o700 });
    await until(PUZZLED_MS, 'all to know each other', () =>
      network.peers.every(({ daemon }) => {
        const { node } = daemon.status() as { node: { state: string; contacts?: number } };
        return node.state === 'joined' && (node.contacts ?? 0) >= COUNT - 1;
      }),
    );
    return network;
  }

  /** Ends attackers too that a failed test has left. */
  async close(): Promise<void> {
    for (const attacker of running) attacker.kill('SIGKILL');
    await Promise.all(this.peers.map(({ daemon }) => daemon.close()));
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The sum over all peers of what stands at `path` in `peer status --json`, 0 where nothing does. */
  counter(path: string): number {
    const [module, state, ...below] = path.split('.');
    if (module !== 'dht' || state !== 'state') throw new Error(`no counter of a DHT: ${path}`);
    const values = this.peers.map(({ daemon }) =>
      below.reduce<unknown>(
        (at, name) => (at as Record<string, unknown> | undefined)?.[name],
        daemon.status(),
      ),
    );
    return values.reduce<number>((sum, value) => sum + (typeof value === 'number' ? value : 0), 0);
  }

  /** Puts a content at one peer and waits until another has it; it is asked for by `getKept` from then on. */
  async put(): Promise<void> {
    const [key, content] = [randomBytes(32), randomBytes(300)];
    const at = this.#any();
    const client = await ApiClient.connect(at.api);
    client.send({ type: 'dht-put', key, content, ttlSeconds: 600, replication: 0 });
    const end = Date.now() + ANSWER_MS;
    while (!(await this.get(key, content, POLL_MS))) {
      if (Date.now() > end) throw new Error(`a content was not found ${ANSWER_MS} ms after its PUT`);
    }
    client.close();
    this.#kept.push({ key, content });
  }

  /** How many of the contents put so far any peer gives. */
  async getKept(): Promise<{ readonly asked: number; readonly found: number }> {
    const got = await Promise.all(this.#kept.map(({ key, content }) => this.get(key, content)));
    return { asked: got.length, found: got.filter((found) => found).length };
  }

  /** Whether the content is among the answers to one GET, at any peer. */
  async get(key: Buffer, content: Buffer, patienceMs = ANSWER_MS): Promise<boolean> {
    const client = await ApiClient.connect(this.#any().api);
    try {
      return await new Promise<boolean>((resolve) => {
        const late = setTimeout(() => resolve(false), patienceMs);
        const end = (found: boolean) => {
          clearTimeout(late);
          resolve(found);
        };
        client.onMessage((message) => {
          if (message.type === 'dht-error') end(false);
          if (message.type === 'dht-get-reply' && message.content.equals(content)) end(true);
        });
        void client.closed.then(() => end(false));
        client.send({ type: 'dht-get', key });
      });
    } finally {
      client.close();
    }
  }

  #any(): HonestPeer {
    return this.peers[Math.floor(Math.random() * this.peers.length)] as HonestPeer;
  }
}

export interface RunningAttacker {
  /** Ends it as Ctrl-C does. */
  readonly stop: () => Promise<{ readonly code: number | null; readonly last: AttackLine }>;
}

/** `peer test attacker`; resolves once it has begun. */
export async function startAttacker(name: string, configFile: string): Promise<RunningAttacker> {
  const attacker = startPeer('test', 'attacker', name, '-c', configFile, '--seed', '1', '--json');
  running.add(attacker.child);
  attacker.child.once('exit', () => running.delete(attacker.child));
  await attacker.until(/"state":"attacking"/);
  return {
    stop: async () => {
      attacker.child.kill('SIGTERM');
      const { code, stdout } = await attacker.ended;
      return { code, last: JSON.parse(stdout.trim().split('\n').at(-1) ?? '') };
    },
  };
}

export interface AttackLine {
  readonly attacker: string;
  readonly state: string;
  readonly counts: Readonly<Record<string, number>>;
}

export async function until(withinMs: number, what: string, done: () => boolean): Promise<void> {
  const end = Date.now() + withinMs;
  while (!done()) {
    if (Date.now() > end) throw new Error(`waited ${withinMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function loopback(index: number): string {
  return `127.${20 + 10 * (process.pid % 20) + index}.${(process.pid >> 4) % 250}.1`;
}
