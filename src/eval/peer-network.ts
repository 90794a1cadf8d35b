/**
 * Role: a network of real peers, each on a host of its own with its own processes and state.
 *
 * Invariants: every process is a child of this one and is ended by `stop`; every wait has a limit and says what it
 * waited for; the peer on the first host is the one that the others start from.
 *
 * Not here: the hosts (namespaces.ts), what the peers are used for.
 */

import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { controlSocketPath } from '../api/control.js';
import { ControlClient } from '../api/control-client.js';
import { type Config, loadConfig, type ModuleName } from '../config/config.js';
import { PeerError } from '../errors.js';
import type { Host, Hosts } from './namespaces.js';

const PEER = fileURLToPath(new URL('../../../bin/peer.js', import.meta.url));
const POLL_MS = 100;
const STOP_MS = 8_000;

export interface NetworkPeer {
  readonly host: Host;
  readonly directory: string;
  readonly config: Config;
}

/** A module's answer to the verb `status`. */
export interface ModuleStatus {
  readonly module: string;
  // biome-ignore lint/suspicious/noExplicitAny: each module has a state of its own.
  readonly state?: any;
}

export class PeerNetwork {
  readonly peers: NetworkPeer[] = [];
  readonly #hosts: Hosts;
  readonly #directory: string;
  readonly #children = new Set<ChildProcess>();
  #stopping = false;

  constructor(hosts: Hosts, directory: string) {
    this.#hosts = hosts;
    this.#directory = directory;
  }

  /**
   * Makes a peer on a new host by `peer init`. `arguments_`: further options of `peer init`, which may hang on the host.
   * With `hostkey` (a PEM file), that key takes the place of a fresh one, which takes seconds to make.
   */
  async add(
    name: string,
    arguments_: readonly string[] | ((host: Host) => readonly string[]) = [],
    hostkey?: string,
  ): Promise<NetworkPeer> {
    const bootstrap = this.#hosts.hosts[0]?.ipv4;
    const host = this.#hosts.add(name);
    const directory = join(this.#directory, name);
    const options = ['--address', host.ipv4, ...(bootstrap === undefined ? [] : ['--bootstrap', bootstrap])];
    if (hostkey !== undefined) options.push('--adopt-hostkey', hostkey);
    options.push(...(typeof arguments_ === 'function' ? arguments_(host) : arguments_));
    await this.runPeer(host, ['init', directory, ...options]);
    const peer = { host, directory, config: loadConfig(join(directory, 'peer.ini')) };
    this.peers.push(peer);
    return peer;
  }

  /** Changes a peer's config file before its modules start. */
  async reconfigure(peer: NetworkPeer, change: (text: string) => string): Promise<NetworkPeer> {
    const file = join(peer.directory, 'peer.ini');
    await writeFile(file, change(await readFile(file, 'utf8')));
    const changed = { ...peer, config: loadConfig(file) };
    this.peers[this.peers.indexOf(peer)] = changed;
    return changed;
  }

  /** Starts a long-running `peer` command; what it prints goes to <directory>/<label>.log. */
  start(
    peer: NetworkPeer,
    label: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    return this.spawn(
      peer.host,
      label,
      join(peer.directory, `${label}.log`),
      process.execPath,
      [PEER, ...args],
      env,
    );
  }

  /** Starts any program on a host, ended with the network. */
  spawn(
    host: Host,
    label: string,
    logFile: string,
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    const child = this.#hosts.spawn(host, program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const log = createWriteStream(logFile, { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    this.#children.add(child);
    child.on('error', (error) => {
      // One that never started never exits either.
      if (child.pid === undefined) this.#children.delete(child);
      log.write(`${label}: ${error.message}\n`);
    });
    child.on('close', () => log.end());
    child.on('exit', (code, signal) => {
      this.#children.delete(child);
      if (!this.#stopping) log.write(`${label} ended: ${signal ?? code}\n`);
    });
    return child;
  }

  /** Runs a `peer` command on a host to its end and returns what it prints. */
  async runPeer(host: Host, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const child = this.#hosts.spawn(host, process.execPath, [PEER, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#children.add(child);
    let output = '';
    let errors = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    }).finally(() => this.#children.delete(child));
    if (code !== 0) {
      throw new PeerError('peer-command', `peer ${args.join(' ')} on ${host.name} failed: ${errors.trim()}`);
    }
    return output;
  }

  /** Asks a module's control socket. */
  async request(peer: NetworkPeer, module: ModuleName, verb: string, args?: unknown): Promise<unknown> {
    const client = await ControlClient.connect(controlSocketPath(peer.config, module));
    try {
      return await client.request(verb, args, { timeoutMs: 60_000 });
    } finally {
      client.close();
    }
  }

  /** Waits until a module's state satisfies `done`. Errors: 'network-timeout', naming what was waited for. */
  async waitFor(
    peer: NetworkPeer,
    module: ModuleName,
    what: string,
    done: (state: NonNullable<ModuleStatus['state']>) => boolean,
    timeoutMs = 60_000,
  ): Promise<void> {
    const end = Date.now() + timeoutMs;
    let last: unknown;
    while (Date.now() < end) {
      try {
        const status = (await this.request(peer, module, 'status')) as ModuleStatus;
        last = status.state;
        if (status.state !== undefined && done(status.state)) return;
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const seen = last instanceof Error ? last.message : JSON.stringify(last);
    throw new PeerError(
      'network-timeout',
      `${peer.host.name}: waited ${timeoutMs / 1000} s for ${what}; last: ${seen}`,
    );
  }

  /** Ends every process, first kindly. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const ended = [...this.#children].map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.#children) child.kill('SIGTERM');
    const late = setTimeout(() => {
      for (const child of this.#children) child.kill('SIGKILL');
    }, STOP_MS);
    await Promise.all(ended);
    clearTimeout(late);
  }
}
