/**
 * Role: a module that conformance starts itself, by a command with `{config}` in it or in a container, from a config that it writes.
 *
 * Invariants: the module listens where the config says before this resolves; it, and what it started, is ended by `end`, and
 * nothing of its files is left.
 *
 * Not here: a module that runs already.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PeerError } from '../../errors.js';
import { generateHostkeyPem } from '../../identity/hostkey.js';
import { writePrivateFile } from '../../private-files.js';
import type { TestedModule } from './check.js';
import { containerOf } from './container.js';
import { WireClient } from './wire-client.js';

const HOST = '127.0.0.1';
const POLL_MS = 100;
const TRY_MS = 1_000;
const END_MS = 8_000;
const KEPT_OUTPUT = 2_000;

export interface TargetConfig {
  readonly module: TestedModule;
  /** With `{config}` where the path of the config file belongs; the name of an image and arguments, where it is for a container. */
  readonly command: string;
  readonly inContainer?: boolean;
  /** PEM file; one is made where none is given. */
  readonly hostkey?: string;
  /** HOSTLIST of the config. */
  readonly bootstrap: readonly string[];
  readonly patienceMs: number;
  /** Called once there is something to be ended, before it listens. */
  readonly onStarted?: (end: () => Promise<void>) => void;
}

export interface StartedTarget {
  readonly host: string;
  readonly port: number;
  end(): Promise<void>;
}

/** Errors: 'target-unreachable' where there is nothing to run containers with, it ends or does not listen in time. */
export async function startTarget(options: TargetConfig): Promise<StartedTarget> {
  const directory = await mkdtemp(join(tmpdir(), 'peer-conformance-'));
  const ports = await freePorts(4);
  const hostkey = options.hostkey === undefined ? join(directory, 'hostkey.pem') : resolve(options.hostkey);
  if (options.hostkey === undefined) await writePrivateFile(hostkey, await generateHostkeyPem());
  const config = join(directory, 'peer.ini');
  await writePrivateFile(config, configText(hostkey, ports, options.bootstrap));
  const given = options.command.replaceAll('{config}', config);
  const container = options.inContainer === true ? containerOf(given, directory) : null;
  const target = new Target(container?.run ?? given, directory, container?.remove ?? null);
  options.onStarted?.(() => target.end());
  const port = ports[options.module === 'dht' ? 0 : 2] as number;
  try {
    await target.listens(port, options.patienceMs);
  } catch (error) {
    await target.end();
    throw error;
  }
  return { host: HOST, port, end: () => target.end() };
}

class Target {
  readonly #directory: string;
  readonly #remove: string | null;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #ending: Promise<void> | null = null;
  #hasEnded = false;
  #output = '';

  /** `remove` ends what does not end with the command. */
  constructor(command: string, directory: string, remove: string | null) {
    this.#directory = directory;
    this.#remove = remove;
    // A group of its own, so that whatever the command starts ends with it.
    this.#child = spawn('sh', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (text: Buffer) => {
      this.#output = (this.#output + text.toString()).slice(-KEPT_OUTPUT);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#ended = new Promise((done) => {
      const end = () => {
        this.#hasEnded = true;
        done();
      };
      this.#child.once('error', end);
      this.#child.once('exit', end);
    });
  }

  async listens(port: number, limitMs: number): Promise<void> {
    const until = performance.now() + limitMs;
    while (!this.#hasEnded && performance.now() < until) {
      const client = await WireClient.connect(HOST, port, TRY_MS).catch(() => null);
      if (client !== null) {
        client.destroy();
        return;
      }
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
    const what = this.#hasEnded ? 'ended' : `does not listen on ${HOST}:${port}, as its config says`;
    throw new PeerError(
      'target-unreachable',
      `the module ${what}; it said: ${this.#output.trim() || 'nothing'}`,
    );
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#signal('SIGTERM');
    const late = setTimeout(() => this.#signal('SIGKILL'), END_MS);
    await this.#ended;
    clearTimeout(late);
    this.#signal('SIGKILL');
    if (this.#remove !== null) await once(spawn('sh', ['-c', this.#remove], { stdio: 'ignore' }), 'close');
    await rm(this.#directory, { recursive: true, force: true });
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The whole group is gone.
    }
  }
}

function configText(hostkey: string, ports: readonly number[], bootstrap: readonly string[]): string {
  const [dht, overlay, kx, outreach] = ports;
  return `HOSTKEY = ${hostkey}
STATE_DIR = state

[DHT]
HOSTNAME = ${HOST}
PORT = ${dht}
OVERLAY_HOSTNAME = ${HOST}
OVERLAY_PORT = ${overlay}
${bootstrap.length === 0 ? '' : `HOSTLIST = ${bootstrap.join(', ')}\n`}
[KX]
HOSTNAME = ${HOST}
PORT = ${kx}
OUTREACH_HOSTNAME = ${HOST}
OUTREACH_PORT = ${outreach}
TUN_IP = 10.98.0.1/16
`;
}

/** Ports that nobody listens on just now, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((done, reject) => {
          server.once('error', reject);
          server.listen(0, HOST, () => done((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
