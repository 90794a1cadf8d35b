/**
 * Role: hosts as network namespaces joined by emulated links (`peer-wan`), inside a sandbox.
 *
 * Invariants: what hosts send to one another's addresses takes an emulated link; the management addresses are on a bridge
 * (namespaces.ts) for the harness alone, so what it asks is neither delayed nor counted. Hosts may be made by others too (mininet/).
 *
 * Not here: the emulator (crates/netem, crates/lab/src/wan).
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostsInStock } from './hosts-in-stock.js';
import { labBinary, linesOf } from './lab-program.js';
import { BridgedHosts, type Host, type Hosts } from './namespaces.js';
import { sandboxDirectory } from './sandbox.js';

const WAN = labBinary('peer-wan');
/** The host's end of its links (crates/lab/src/wan/device.rs). */
export const WAN_DEVICE = 'wan0';

/** How every link is, each way; the time under way is uniform in delay ± jitter. */
export interface WanLink {
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly lossPercent: number;
}

/** Links from each of some hosts to each of others; without what may be left out: no bursts, no limit, all in order. */
export interface WanLinkGroup extends WanLink {
  /** Names of hosts. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Packets that are lost in a row, in the mean. */
  readonly burstPackets?: number;
  readonly rateKbps?: number;
  /** What may wait for the line, as the time that the line needs for it. */
  readonly queueMs?: number;
  /** Packets that come `reorderMs` later and let others overtake them. */
  readonly reorderPercent?: number;
  readonly reorderMs?: number;
}

/** What the emulator tells at its end; packets of all links together. */
export interface WanReport {
  readonly offered: number;
  readonly delivered: number;
  /** As was wanted. */
  readonly lost: number;
  /** Wanted of links with a rate alone. */
  readonly queueFull: number;
  /** The emulator's own failings: none is wanted. */
  readonly noRoom: number;
  readonly unwritten: number;
  /** To addresses of nobody: multicast. */
  readonly noHost: number;
  readonly malformed: number;
  /** How much later than intended packets came out, in microseconds. */
  readonly lateUs: { readonly p50: number; readonly p99: number; readonly max: number };
}

export class WanHosts implements Hosts {
  /** Whether the emulator is woken before ordinary programs. */
  readonly realtime: boolean;
  readonly #below: Hosts;
  readonly #stock: HostsInStock;
  readonly #emulator: ChildProcess;
  readonly #line: () => Promise<string>;

  private constructor(
    below: Hosts,
    stock: HostsInStock,
    emulator: ChildProcess,
    line: () => Promise<string>,
    realtime: boolean,
  ) {
    this.#below = below;
    this.#stock = stock;
    this.#emulator = emulator;
    this.#line = line;
    this.realtime = realtime;
  }

  get hosts(): readonly Host[] {
    return this.#stock.taken;
  }

  /**
   * Joins all hosts that there will be, which are made of those `below`, by links of one kind but those of `groups`, of which a later
   * one replaces an earlier one. Errors: 'load' (no emulator, or links that cannot be), 'command'.
   */
  static async make(
    names: readonly string[],
    link: WanLink,
    seed: number,
    groups: readonly WanLinkGroup[] = [],
    below: Hosts = managementBridge(),
  ): Promise<WanHosts> {
    const unused = names.map((name, index) => emulated(below.add(name), index + 1));
    const emulator = spawn(
      WAN,
      [
        ...unused.flatMap(({ name, ipv4, ipv6 }) => ['--host', `${name},${ipv4}/16,${ipv6}/64`]),
        ...['--delay-ms', String(link.delayMs), '--jitter-ms', String(link.jitterMs)],
        ...['--loss-percent', String(link.lossPercent), '--seed', String(seed)],
        ...(groups.length === 0 ? [] : ['--links', fileOf(groups)]),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const line = linesOf(emulator, 'peer-wan');
    const { realtime } = JSON.parse(await line()) as { realtime: boolean };
    return new WanHosts(below, new HostsInStock(unused), emulator, line, realtime);
  }

  /** Hands out a host made before. Errors: 'no-host'. */
  add(name: string): Host {
    return this.#stock.take(name);
  }

  spawn(host: Host, program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return this.#below.spawn(host, program, args, options);
  }

  /** Parts the hosts. Errors: 'load' (the emulator had ended before). */
  async end(): Promise<WanReport> {
    this.#emulator.stdin?.end();
    return JSON.parse(await this.#line()) as WanReport;
  }
}

function managementBridge(): BridgedHosts {
  const bridged = new BridgedHosts('management');
  bridged.attach();
  return bridged;
}

/** Where the groups stand for the emulator to read. */
function fileOf(groups: readonly WanLinkGroup[]): string {
  const file = join(sandboxDirectory() ?? tmpdir(), 'wan-links.json');
  writeFileSync(file, JSON.stringify(groups));
  return file;
}

/** The host with addresses on emulated links in place of those on the bridge. */
function emulated({ name, management }: Host, number: number): Host {
  const ipv4 = `10.201.${number >> 8}.${number & 255}`;
  return { name, ipv4, ipv6: `fd00:201::${number.toString(16)}`, management };
}
