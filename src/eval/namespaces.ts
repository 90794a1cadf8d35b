/**
 * Role: hosts as network namespaces on one bridge, inside a sandbox.
 *
 * Invariants: every host has one IPv4 and one IPv6 address on the bridge and no other way out; what crosses the bridge
 * are single datagrams, as on a wire, unless speed alone is measured. All addresses are of one private network, or each is of a
 * network of its own, as those of strangers are.
 *
 * Not here: delay and loss between hosts (wan-hosts.ts).
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { run } from './sandbox.js';

export interface Host {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** The IPv4 address at which the harness reaches it, without emulated delay or loss. */
  readonly management: string;
}

/** Hosts that reach one another at their addresses. */
export interface Hosts {
  /** Those made so far. */
  readonly hosts: readonly Host[];
  /** Makes a host; `name` has at most 12 characters. */
  add(name: string): Host;
  /** Starts a program on a host. */
  spawn(host: Host, program: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
}

export class BridgedHosts implements Hosts {
  readonly bridge: string;
  readonly hosts: Host[] = [];

  readonly #inPieces: boolean;
  readonly #apart: boolean;

  /**
   * Makes the bridge; its name has at most 15 characters. With `wire: false`, datagrams that a host hands over in one piece
   * cross it in one piece, as between machines whose network cards do the cutting. With `apart`, each host has a /16 (IPv6: a /32)
   * of its own, none of them private; at most 250 hosts.
   */
  constructor(
    bridge: string,
    { wire = true, apart = false }: { readonly wire?: boolean; readonly apart?: boolean } = {},
  ) {
    this.bridge = bridge;
    this.#inPieces = wire;
    this.#apart = apart;
    run('ip', ['link', 'add', bridge, 'type', 'bridge']);
    // Without it the kernel learns for 30 s before it forwards on some systems.
    run('ip', ['link', 'set', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0']);
    run('ip', ['link', 'set', bridge, 'up']);
  }

  /** Lets the harness itself reach the hosts. */
  attach(): void {
    const address = this.#apart ? '11.255.255.254/8' : '10.200.255.254/16';
    run('ip', ['addr', 'add', address, 'dev', this.bridge]);
  }

  add(name: string): Host {
    const number = this.hosts.length + 1;
    const ipv4 = this.#apart ? `11.${number}.0.1` : `10.200.${number >> 8}.${number & 255}`;
    const ipv6 = this.#apart ? `2a00:${number.toString(16)}::1` : `fd00:200::${number.toString(16)}`;
    const [prefix4, prefix6] = this.#apart ? [8, 16] : [16, 64];
    const host = { name, ipv4, ipv6, management: ipv4 };
    const outside = `v-${name}`;
    run('ip', ['netns', 'add', name]);
    run('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
    run('ip', ['link', 'set', outside, 'master', this.bridge, 'up']);
    for (const args of [
      ['addr', 'add', `${ipv4}/${prefix4}`, 'dev', 'eth0'],
      ['addr', 'add', `${ipv6}/${prefix6}`, 'dev', 'eth0', 'nodad'],
      // The bridge sees what a wire would: datagrams handed over in one piece are cut apart before they leave.
      ...(this.#inPieces ? [['link', 'set', 'eth0', 'gso_max_segs', '1']] : []),
      ['link', 'set', 'eth0', 'up'],
      ['link', 'set', 'lo', 'up'],
    ]) {
      run('ip', ['-n', name, ...args]);
    }
    this.hosts.push(host);
    return host;
  }

  spawn(host: Host, program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', host.name, program, ...args], options);
  }
}
