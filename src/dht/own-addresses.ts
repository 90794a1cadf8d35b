/**
 * Which addresses we bind and which we announce (OVERLAY_HOSTNAME, OUTREACH_HOSTNAME), and names of the HOSTLIST.
 *
 * Literal addresses are bound as they are. A name may stand for an address that this machine does not have itself
 * (behind NAT), so with names we bind the wildcard of each family that they resolve to. 0.0.0.0 and :: bind
 * everything and announce nothing: others then take the address that our datagrams come from.
 */
import { lookup } from 'node:dns/promises';
import type { Config, HostPort } from '../config/config.js';
import { PeerError } from '../errors.js';
import { endpointOf, ipv4Bytes, ipv6Bytes } from './address.js';
import type { Endpoint } from './environment.js';
import type { KxAddress } from './rpc-message.js';

/** Spec 3.1.5. */
const DEFAULT_KX_PORT = 3001;

export interface OwnAddresses {
  readonly bind: readonly Endpoint[];
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/** All addresses of a name or literal; none where it does not resolve. */
export async function resolveHost(host: string, port: number): Promise<Endpoint[]> {
  const literal = endpointOf(host, port);
  if (literal) return [literal];
  try {
    const found = await lookup(host, { all: true, verbatim: true });
    return found.map(({ address }) => endpointOf(address, port)).filter((one) => one !== null);
  } catch {
    return [];
  }
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';

function announced(endpoints: readonly Endpoint[], family: 4 | 6): string | null {
  return endpoints.find((one) => one.family === family && !isWildcard(one.host))?.host ?? null;
}

/** @throws PeerError `dht-bind` where nothing in OVERLAY_HOSTNAME resolves */
export async function ownAddresses(hosts: readonly string[], port: number): Promise<OwnAddresses> {
  const bind = new Map<string, Endpoint>();
  const all: Endpoint[] = [];
  for (const host of hosts) {
    const endpoints = await resolveHost(host, port);
    all.push(...endpoints);
    for (const endpoint of endpoints) {
      const isName = endpointOf(host, port) === null;
      const wildcard = endpoint.family === 4 ? '0.0.0.0' : '::';
      const at = isName ? { ...endpoint, host: wildcard } : endpoint;
      bind.set(at.host, at);
    }
  }
  if (bind.size === 0) {
    throw new PeerError(
      'dht-bind',
      `none of OVERLAY_HOSTNAME (${hosts.join(', ')}) is or resolves to an address`,
      {
        remedy: 'set OVERLAY_HOSTNAME in [DHT] to an address of this machine',
      },
    );
  }
  // A wildcard takes its whole family: nothing else of that family can be bound beside it.
  const wild = [...bind.values()].filter((one) => isWildcard(one.host)).map((one) => one.family);
  const sockets = [...bind.values()].filter((one) => isWildcard(one.host) || !wild.includes(one.family));
  return { bind: sockets, ipv4: announced(all, 4), ipv6: announced(all, 6) };
}

/** Where others reach our KX module: as [KX] says, else our own addresses and port 3001 (Spec 3.1.5). */
export async function kxAddress(kx: Config['kx'], own: OwnAddresses): Promise<KxAddress> {
  let { ipv4, ipv6 } = own;
  if (kx) {
    const endpoints = (
      await Promise.all(kx.outreachHosts.map((host) => resolveHost(host, kx.outreachPort)))
    ).flat();
    const named = { ipv4: announced(endpoints, 4), ipv6: announced(endpoints, 6) };
    if (named.ipv4 !== null || named.ipv6 !== null) ({ ipv4, ipv6 } = named);
  }
  return {
    port: kx?.outreachPort ?? DEFAULT_KX_PORT,
    ipv4: ipv4 === null ? null : ipv4Bytes(ipv4),
    ipv6: ipv6 === null ? null : ipv6Bytes(ipv6),
  };
}

/** The HOSTLIST as addresses, without our own. */
export async function bootstrapEndpoints(
  hostlist: readonly HostPort[],
  own: OwnAddresses,
  ownPort: number,
): Promise<Endpoint[]> {
  const all = (await Promise.all(hostlist.map(({ host, port }) => resolveHost(host, port)))).flat();
  const mine = new Set([own.ipv4, own.ipv6, ...own.bind.map((one) => one.host)]);
  return all.filter((one) => one.port !== ownPort || !mine.has(one.host));
}
