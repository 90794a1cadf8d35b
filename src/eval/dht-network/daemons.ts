/**
 * Role: a network of real `peer dht` processes on loopback addresses, to be spoken to by their API.
 *
 * Invariants: every process is a child of this one; each listens on an address of its own (127.0.1.1, 127.0.1.2, …), where
 * ports are the default ones; the first is the one that the others start from.
 *
 * Not here: what is asked of them.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ApiEndpoint } from '../../api/client.js';
import { controlSocketPath } from '../../api/control.js';
import { ControlClient } from '../../api/control-client.js';
import { type Config, DEFAULT_OVERLAY_PORT, loadConfig } from '../../config/config.js';
import { PeerError } from '../../errors.js';
import { writePrivateFile } from '../../private-files.js';
import { pooledHostkeys } from '../hostkey-pool.js';

const PEER = fileURLToPath(new URL('../../../../bin/peer.js', import.meta.url));
const API_PORT = 3086;
const POLL_MS = 100;
const START_MS = 60_000;

/** The part of `peer dht`'s status that is used here. */
export interface DhtStatus {
  readonly node: {
    readonly state: string;
    readonly contacts: number;
    readonly store: { readonly keys: number; readonly bytes: number };
  };
  readonly api: { readonly connectionsOpen: number };
}

export interface DhtDaemon {
  readonly config: Config;
  readonly process: ChildProcess;
  readonly api: ApiEndpoint;
}

export class DhtDaemons {
  readonly daemons: DhtDaemon[] = [];

  private constructor() {}

  /** Resolves when all know each other. `directory` is to hold their files, `primes` those of their hostkeys. */
  static async start(directory: string, primes: string, count: number): Promise<DhtDaemons> {
    const network = new DhtDaemons();
    const hostkeys = await pooledHostkeys(primes, count);
    for (const [index, { privateKey }] of hostkeys.entries()) {
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
      network.daemons.push(await startDaemon(join(directory, `peer-${index + 1}`), index, pem));
    }
    for (const daemon of network.daemons) {
      await until(`peer ${daemon.api.host} to know the others`, async () => {
        const { node } = await network.status(daemon);
        return node.state === 'joined' && node.contacts >= count - 1;
      });
    }
    return network;
  }

  async status({ config }: DhtDaemon): Promise<DhtStatus> {
    const client = await ControlClient.connect(controlSocketPath(config, 'dht'));
    try {
      return ((await client.request('status')) as { state: DhtStatus }).state;
    } finally {
      client.close();
    }
  }

  /** How many keys each holds contents of. */
  async keysHeld(): Promise<number[]> {
    const all = await Promise.all(this.daemons.map((daemon) => this.status(daemon)));
    return all.map(({ node }) => node.store.keys);
  }

  end(): void {
    for (const { process } of this.daemons) process.kill('SIGTERM');
  }
}

/** Resident bytes of a process; NaN for one that has ended. */
export function residentBytes({ process }: DhtDaemon): number {
  try {
    const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  } catch {
    return Number.NaN;
  }
}

async function startDaemon(directory: string, index: number, hostkeyPem: string): Promise<DhtDaemon> {
  const host = `127.0.1.${index + 1}`;
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'peer.ini');
  await writePrivateFile(join(directory, 'hostkey.pem'), hostkeyPem);
  const lines = [
    ...['HOSTKEY = hostkey.pem', 'STATE_DIR = state', 'LOG_LEVEL = info', '[DHT]', `HOSTNAME = ${host}`],
    ...[`PORT = ${API_PORT}`, `OVERLAY_HOSTNAME = ${host}`, `OVERLAY_PORT = ${DEFAULT_OVERLAY_PORT}`],
    ...[`HOSTLIST = 127.0.1.1:${DEFAULT_OVERLAY_PORT}`, 'PRIVATE_LOOKUPS = no', ''],
  ];
  await writePrivateFile(file, lines.join('\n'));
  const child = spawn(process.execPath, [PEER, 'dht', '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(join(directory, 'dht.log'));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  return { config: loadConfig(file), process: child, api: { host, port: API_PORT } };
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + START_MS;
  let last: unknown = 'not yet';
  while (Date.now() < end) {
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const reason = last instanceof Error ? last.message : String(last);
  throw new PeerError('dht-daemons', `waited ${START_MS / 1000} s for ${what}; last: ${reason}`);
}
