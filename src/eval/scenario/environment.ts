/**
 * Role: what the hosts of a trial are and what their links are made by: namespaces of our own or mininet's hosts, and `peer-wan` or `tc`.
 *
 * Invariants: a scenario's links are the same by either, but for what docs/evaluation.md says; inside a sandbox.
 *
 * Not here: the hosts (wan-hosts.ts, mininet/).
 */

import { hasNetem, MininetHosts } from '../mininet/mininet-hosts.js';
import { beyondTcLinks, lineTopology, plainTopology } from '../mininet/topology.js';
import type { Hosts } from '../namespaces.js';
import type { EmulatorCheck } from '../report/results.js';
import { WAN_DEVICE, WanHosts } from '../wan-hosts.js';
import type { NetworkPlan } from './network-plan.js';

export const ENVIRONMENTS = ['netns', 'mininet'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

const PERFECT = { delayMs: 0, jitterMs: 0, lossPercent: 0 };

export interface JoinedHosts {
  readonly hosts: Hosts;
  /** For a person: what they are and what their links are made by. */
  readonly told: string;
  /** Whether a host's device of this name is an end of a link. */
  isLink(device: string): boolean;
  /** Parts the hosts. Errors: 'load' (an emulator had ended before). */
  end(echoes: EmulatorCheck['echoes']): Promise<EmulatorCheck>;
}

/** Makes the hosts of a plan and joins them. Errors: 'load', 'command', 'mininet', 'tool-missing'. */
export async function joinHosts(
  environment: Environment,
  plan: NetworkPlan,
  seed: number,
): Promise<JoinedHosts> {
  if (environment === 'netns') return joinByPeerWan(plan, seed);
  const lack = beyondTcLinks(plan) ?? (hasNetem() ? null : 'delays, as this kernel has no netem');
  const hosts = await MininetHosts.make(lack === null ? lineTopology(plan) : plainTopology(plan));
  if (lack !== null) {
    const joined = await joinByPeerWan(plan, seed, hosts);
    return {
      ...joined,
      told: `each a mininet host, on links by peer-wan: mininet has no ${lack}`,
      end: async (echoes) => {
        const check = await joined.end(echoes);
        await hosts.end();
        return check;
      },
    };
  }
  return {
    hosts,
    told: 'each a mininet host, on links by tc',
    isLink: (device) => /^eth\d+$/.test(device),
    end: async (echoes) => {
      await hosts.end();
      return { by: 'netem', echoes };
    },
  };
}

async function joinByPeerWan(plan: NetworkPlan, seed: number, below?: Hosts): Promise<JoinedHosts> {
  const names = plan.hosts.map(({ name }) => name);
  const hosts = await WanHosts.make(names, PERFECT, seed, plan.links, below);
  return {
    hosts,
    told: 'each on a host of its own, on emulated links',
    isLink: (device) => device === WAN_DEVICE,
    end: async (echoes) => {
      const { lateUs, offered, lost, queueFull, noRoom, unwritten } = await hosts.end();
      const failed = noRoom + unwritten;
      return {
        by: 'peer-wan',
        ...{ lateUs, echoes, offered, lost, queueFull, failed },
        realtime: hosts.realtime,
      };
    },
  };
}
