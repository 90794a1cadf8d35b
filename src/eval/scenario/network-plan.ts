/**
 * Role: the hosts and links of a scenario, and who calls whom.
 *
 * Invariants: pure; the first host is the one that the others start from; a host's name is that of its region and a number.
 *
 * Not here: the hosts (wan-hosts.ts), the peers on them (trial.ts).
 */

import type { WanLinkGroup } from '../wan-hosts.js';
import { type LinkSettings, regionsOfCalls, type Scenario } from './scenario.js';

export interface PlannedHost {
  readonly name: string;
  readonly region: string;
}

export interface PlannedPair {
  readonly caller: string;
  readonly callee: string;
}

export interface NetworkPlan {
  readonly hosts: readonly PlannedHost[];
  /** All links; a later one replaces an earlier one. */
  readonly links: readonly WanLinkGroup[];
  /** Those who call at the same time; nobody is in two of them. */
  readonly pairs: readonly PlannedPair[];
}

export function planNetwork(scenario: Scenario): NetworkPlan {
  const hosts = Object.entries(scenario.regions).flatMap(([region, { peers }]) =>
    Array.from({ length: peers }, (_, index) => ({ name: `${region}${index + 1}`, region })),
  );
  const namesIn = (region: string) => hosts.filter((host) => host.region === region).map(({ name }) => name);
  const all = hosts.map(({ name }) => name);
  const between = Object.entries(scenario.links).flatMap(([one, others]) =>
    Object.entries(others).flatMap(([other, settings]) => {
      const link = wanLink({ ...scenario.link, ...settings });
      const [from, to] = [namesIn(one), namesIn(other)];
      return [
        { from, to, ...link },
        { from: to, to: from, ...link },
      ];
    }),
  );
  const { from, to } = regionsOfCalls(scenario);
  // From the end: the first host has everybody's first questions to answer.
  const callees = namesIn(to).reverse();
  const callers = from === to ? callees.slice(scenario.calls.pairs) : namesIn(from).reverse();
  const pairs = Array.from({ length: scenario.calls.pairs }, (_, index) => ({
    caller: callers[index] as string,
    callee: callees[index] as string,
  }));
  return { hosts, links: [{ from: all, to: all, ...wanLink(scenario.link) }, ...between], pairs };
}

/** How the link from one host to another is; undefined: no such hosts. */
export function linkBetween({ links }: NetworkPlan, from: string, to: string): WanLinkGroup | undefined {
  return links.findLast((link) => link.from.includes(from) && link.to.includes(to));
}

/** Mean round trip of a small packet between two hosts and back, as the links are wanted. */
export function wantedRoundTripMs(plan: NetworkPlan, one: string, other: string): number {
  const delay = (from: string, to: string) => linkBetween(plan, from, to)?.delayMs ?? 0;
  return delay(one, other) + delay(other, one);
}

function wanLink(settings: LinkSettings): Omit<WanLinkGroup, 'from' | 'to'> {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return { delayMs: 0, jitterMs: 0, lossPercent: 0, ...Object.fromEntries(given) };
}
