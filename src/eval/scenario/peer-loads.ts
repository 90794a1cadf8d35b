/**
 * Role: what peers take: processor time of their processes, bytes on their emulated links.
 *
 * Invariants: from `begin` to `end`; a process that was not there all the time leaves its peer's processor time unknown.
 *
 * Not here: what is done meanwhile.
 */

import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import { TICKS_PER_SECOND, ticksOf } from '../processor-time.js';
import type { PeerLoad } from '../report/results.js';

const MODULES = ['dht', 'kx', 'voip'] as const;

export interface WatchedPeer {
  readonly peer: NetworkPeer;
  readonly supervisor: ChildProcess;
  readonly region: string;
  readonly role: PeerLoad['role'];
}

type IsLink = (device: string) => boolean;

interface Reading {
  readonly atMs: number;
  readonly pids: readonly number[];
  readonly ticks: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export class PeerLoads {
  readonly #network: PeerNetwork;
  readonly #watched: readonly WatchedPeer[];
  readonly #isLink: IsLink;
  readonly #before: readonly Reading[];

  private constructor(
    network: PeerNetwork,
    watched: readonly WatchedPeer[],
    isLink: IsLink,
    before: readonly Reading[],
  ) {
    this.#network = network;
    this.#watched = watched;
    this.#isLink = isLink;
    this.#before = before;
  }

  /** `isLink`: whether a device of a host, by its name, is an end of an emulated link. */
  static async begin(
    network: PeerNetwork,
    watched: readonly WatchedPeer[],
    isLink: IsLink,
  ): Promise<PeerLoads> {
    const before = await Promise.all(watched.map((one) => read(network, one, isLink)));
    return new PeerLoads(network, watched, isLink, before);
  }

  async end(): Promise<PeerLoad[]> {
    const after = await Promise.all(this.#watched.map((one) => read(this.#network, one, this.#isLink)));
    return this.#watched.map(({ peer, region, role }, index) => {
      const [from, to] = [this.#before[index] as Reading, after[index] as Reading];
      const seconds = (to.atMs - from.atMs) / 1_000;
      const isSame = from.pids.join() === to.pids.join();
      const cpuPercent = (100 * (to.ticks - from.ticks)) / TICKS_PER_SECOND / seconds;
      const kbps = (bytes: number) => (bytes * 8) / 1_000 / seconds;
      return {
        ...{ peer: peer.host.name, region, role },
        cpuPercent: isSame ? cpuPercent : null,
        sentKbps: kbps(to.sentBytes - from.sentBytes),
        receivedKbps: kbps(to.receivedBytes - from.receivedBytes),
      };
    });
  }
}

async function read(
  network: PeerNetwork,
  { peer, supervisor }: WatchedPeer,
  isLink: IsLink,
): Promise<Reading> {
  const pids = [supervisor.pid ?? 0];
  for (const module of MODULES) {
    const { pid } = (await network.request(peer, module, 'status')) as { pid: number };
    pids.push(pid);
  }
  // Received bytes, packets and six more counters of receiving, then sent bytes.
  const counters = await readFile(`/proc/${supervisor.pid}/net/dev`, 'utf8');
  const links = counters
    .split('\n')
    .map((line) => line.trim().split(/:?\s+/))
    .filter(([device = '']) => isLink(device));
  const sum = (field: number) => links.reduce((total, fields) => total + Number(fields[field]), 0);
  const [receivedBytes, sentBytes] = [sum(1), sum(9)];
  return { atMs: performance.now(), pids, ticks: await ticksOf(pids), sentBytes, receivedBytes };
}
