/**
 * Role: a scenario's network as one of mininet: which switches there are, what is plugged into them, and how lines are.
 *
 * Invariants: pure. With lines as wanted, whatever goes from one host to another takes one line alone, that of their regions, so what a
 * scenario says of it is what `tc` is told. The switches of a region are one for its own hosts and one for each other region, joined with that region's by a
 * trunk; a host has an interface at each of them. Lines are shared: a rate is that of all hosts of a region together towards another, and
 * within a region that of each host towards all others.
 *
 * Not here: making it (network.py, mininet-hosts.ts).
 */

import { linkBetween, type NetworkPlan } from '../scenario/network-plan.js';
import type { WanLink } from '../wan-hosts.js';

/** What one end of a mininet TCLink does to what it sends; nothing: a plain link. */
export interface LineSettings {
  /** As `tc` writes times. */
  readonly delay?: string;
  readonly jitter?: string;
  /** Percent. */
  readonly loss?: number;
  /** Mbit/s. */
  readonly bw?: number;
  /** Packets under way and waiting. */
  readonly max_queue_size?: number;
}

export interface MininetHost {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly plugs: readonly {
    readonly switch: string;
    readonly sends: LineSettings;
    /** With their prefixes. */
    readonly addresses: readonly string[];
    readonly routes: readonly { readonly to: string; readonly from: string }[];
  }[];
}

/** What network.py makes. */
export interface MininetTopology {
  readonly switches: readonly string[];
  readonly trunks: readonly {
    readonly one: string;
    readonly other: string;
    readonly there: LineSettings;
    readonly back: LineSettings;
  }[];
  readonly hosts: readonly MininetHost[];
}

/** Each region has a switch for each. */
const MOST_REGIONS = 8;
/** What mininet takes, in kbit/s. */
const MOST_KBPS = 1_000_000;
/** More than are ever under way. */
const NO_QUEUE_LIMIT = 100_000;
const PACKET_BITS = 12_000;

/** What mininet's links cannot do of what a scenario wants, for a person; null: nothing. */
export function beyondTcLinks(plan: NetworkPlan): string | null {
  if (regionsOf(plan).length > MOST_REGIONS) return `network of more than ${MOST_REGIONS} regions`;
  if (plan.links.some(({ burstPackets }) => burstPackets !== undefined)) return 'bursts of loss';
  if (plan.links.some(({ reorderPercent = 0 }) => reorderPercent > 0)) return 'reordering';
  if (plan.links.some(({ rateKbps = 0 }) => rateKbps > MOST_KBPS)) return 'rates above 1 Gbit/s';
  return null;
}

/** A switch a region, in a row, and plain links: for lines that are made by others. */
export function plainTopology(plan: NetworkPlan): MininetTopology {
  const regions = regionsOf(plan);
  const switches = regions.map((_, index) => `s${index + 1}`);
  const trunks = switches.slice(1).map((other, index) => ({
    ...{ one: switches[index] as string, other },
    ...{ there: {}, back: {} },
  }));
  const hosts = plan.hosts.map(({ name, region }, index) => {
    const [ipv4, ipv6] = [`10.202.0.${index + 1}`, `fd00:202::${(index + 1).toString(16)}`];
    const addresses = [`${ipv4}/16`, `${ipv6}/64`];
    const home = switches[regions.indexOf(region)] as string;
    return { name, ipv4, ipv6, plugs: [{ switch: home, sends: {}, addresses, routes: [] }] };
  });
  return { switches, trunks, hosts };
}

/** Lines as the scenario wants them; at most {@link MOST_REGIONS} regions. */
export function lineTopology(plan: NetworkPlan): MininetTopology {
  const regions = regionsOf(plan);
  const membersOf = (region: string) => plan.hosts.filter((host) => host.region === region);
  const line = (from: string, to: string): LineSettings => {
    const [one, other] = [membersOf(from)[0], membersOf(to).at(-1)];
    const link = one && other && linkBetween(plan, one.name, other.name);
    return link === undefined ? {} : lineSettings(link);
  };
  const number = (region: string) => regions.indexOf(region) + 1;
  const switchOf = (region: string, towards: string) =>
    region === towards ? `s${number(region)}` : `s${number(region)}to${number(towards)}`;
  const hosts = regions.flatMap((region) =>
    membersOf(region).map(({ name }, index) => {
      const ipv4 = `10.202.${number(region)}.${index + 1}`;
      const ipv6 = `fd00:202:${number(region)}::${(index + 1).toString(16)}`;
      const home = { switch: switchOf(region, region), sends: line(region, region), routes: [] };
      const away = regions
        .filter((other) => other !== region)
        .map((other) => ({
          switch: switchOf(region, other),
          sends: {},
          // IPv6 answers for an address where the interface has it alone.
          addresses: [`${ipv6}/128`],
          routes: [
            { to: `10.202.${number(other)}.0/24`, from: ipv4 },
            { to: `fd00:202:${number(other)}::/64`, from: ipv6 },
          ],
        }));
      return { name, ipv4, ipv6, plugs: [{ ...home, addresses: [`${ipv4}/24`, `${ipv6}/64`] }, ...away] };
    }),
  );
  const trunks = regions.flatMap((region, index) =>
    regions.slice(index + 1).map((other) => ({
      ...{ one: switchOf(region, other), other: switchOf(other, region) },
      ...{ there: line(region, other), back: line(other, region) },
    })),
  );
  const switches = regions.flatMap((region) => regions.map((other) => switchOf(region, other)));
  return { switches, trunks, hosts };
}

function regionsOf({ hosts }: NetworkPlan): string[] {
  return [...new Set(hosts.map(({ region }) => region))];
}

function lineSettings(link: WanLink & { rateKbps?: number; queueMs?: number }): LineSettings {
  const { delayMs, jitterMs, lossPercent, rateKbps, queueMs = 0 } = link;
  if (delayMs === 0 && jitterMs === 0 && lossPercent === 0 && rateKbps === undefined) return {};
  const limit =
    rateKbps === undefined
      ? NO_QUEUE_LIMIT
      : Math.max(1, Math.ceil((rateKbps * (queueMs + delayMs)) / PACKET_BITS));
  return {
    delay: `${delayMs}ms`,
    ...(jitterMs > 0 ? { jitter: `${jitterMs}ms` } : {}),
    ...(lossPercent > 0 ? { loss: lossPercent } : {}),
    ...(rateKbps === undefined ? {} : { bw: rateKbps / 1_000 }),
    max_queue_size: limit,
  };
}
