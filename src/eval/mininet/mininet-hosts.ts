/**
 * Role: hosts made by mininet, inside a sandbox; a Python program beside this one (network.py) keeps them.
 *
 * Invariants: a host is a network namespace that mininet has made, and a program is started in it as in any other; nothing of it is outside
 * of the sandbox, and all of it ends with it.
 *
 * Not here: which hosts and switches there are (topology.ts), emulated links where mininet has none (wan-hosts.ts).
 */

import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PeerError } from '../../errors.js';
import { REPOSITORY } from '../demo/lab.js';
import { HostsInStock } from '../hosts-in-stock.js';
import { linesOf } from '../lab-program.js';
import type { Host, Hosts } from '../namespaces.js';
import type { MininetTopology } from './topology.js';

const PROGRAM = join(REPOSITORY, 'src/eval/mininet/network.py');
/** Debian's own, which its packages are for, and whatever else goes by the name. */
const PYTHONS = ['/usr/bin/python3', 'python3'];
const TOOLS = ['mnexec', 'brctl', 'ifconfig', 'tc', 'ip'];
const MAKE_MS = 120_000;
const END_MS = 20_000;

/** Which Python has mininet, and its version. Errors: 'tool-missing', with why and a remedy. */
export function requireMininet(): { readonly python: string; readonly version: string } {
  const missing = TOOLS.filter((tool) => spawnSync(tool, ['--help']).error !== undefined);
  const reasons = missing.map((tool) => `the program ${tool} is missing`);
  for (const python of reasons.length === 0 ? PYTHONS : []) {
    const asked = spawnSync(python, ['-c', 'import mininet.net; print(mininet.net.VERSION)'], {
      encoding: 'utf8',
    });
    if (asked.status === 0) return { python, version: asked.stdout.trim() };
    reasons.push(`${python}: ${asked.error?.message ?? asked.stderr.trim().split('\n').at(-1)}`);
  }
  throw new PeerError('tool-missing', `mininet cannot be had: ${reasons.join('; ')}`, {
    remedy: 'Install the Debian packages: apt-get install mininet bridge-utils',
  });
}

/** Whether `tc` can delay packets here, which mininet's links need. To be asked inside a sandbox. */
export function hasNetem(): boolean {
  const tc = (verb: string) =>
    spawnSync('tc', [
      'qdisc',
      verb,
      'dev',
      'lo',
      'root',
      ...(verb === 'add' ? ['netem', 'delay', '1ms'] : []),
    ]);
  if (tc('add').status !== 0) return false;
  tc('del');
  return true;
}

export class MininetHosts implements Hosts {
  readonly #stock: HostsInStock;
  readonly #program: ChildProcess;

  private constructor(stock: HostsInStock, program: ChildProcess) {
    this.#stock = stock;
    this.#program = program;
  }

  get hosts(): readonly Host[] {
    return this.#stock.taken;
  }

  /** Makes all hosts that there will be. Errors: 'tool-missing', 'load' (it ended), 'mininet' (what it said). */
  static async make(topology: MininetTopology): Promise<MininetHosts> {
    const program = spawn(requireMininet().python, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    program.stdin?.on('error', () => {});
    program.stdin?.write(`${JSON.stringify(topology)}\n`);
    const late = setTimeout(() => program.kill('SIGKILL'), MAKE_MS);
    const line = await linesOf(program, 'mininet')().finally(() => clearTimeout(late));
    const { error } = JSON.parse(line) as { error?: string };
    const hosts = topology.hosts.map(({ name, ipv4, ipv6 }) => ({ name, ipv4, ipv6, management: ipv4 }));
    const made = new MininetHosts(new HostsInStock(hosts), program);
    if (error === undefined) return made;
    await made.end();
    throw new PeerError('mininet', `mininet cannot make the network: ${error}`);
  }

  /** Hands out a host made before; its management address is that on mininet's own links. Errors: 'no-host'. */
  add(name: string): Host {
    return this.#stock.take(name);
  }

  spawn(host: Host, program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', host.name, program, ...args], options);
  }

  /** Takes the network apart. */
  async end(): Promise<void> {
    const late = setTimeout(() => this.#program.kill('SIGKILL'), END_MS);
    const program = this.#program;
    const isOver = program.exitCode !== null || program.signalCode !== null;
    const ended = isOver || new Promise((resolve) => program.once('exit', resolve));
    program.stdin?.end();
    await ended;
    clearTimeout(late);
  }
}
