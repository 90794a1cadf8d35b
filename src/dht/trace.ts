/**
 * TRACE: the way to the node closest to a key, with the KX addresses that each node on it gives itself (Spec 3.1.3).
 *
 * Target first, then who told us of it, back to a node of our own table (Spec 3.1.5). We ourselves are never a hop:
 * TRACE exists to find other peers, so the target is the closest one to the key that is not us.
 */
import { ipv4Bytes, ipv6Bytes } from './address.js';
import type { Contact } from './contact.js';
import type { Lookup } from './lookup.js';
import { type Network, THOROUGH } from './network.js';
import type { KxAddress } from './rpc-message.js';

const TRACE_WIDTH = 8;

export interface TraceHop {
  readonly identity: Buffer;
  readonly kx: KxAddress;
}

/** Resolves with the hops, at least one, or null where there is no other node. Never rejects. */
export function tracePath(network: Network, key: Buffer): Promise<TraceHop[] | null> {
  return new Promise((resolve) => {
    const kxOf = new Map<string, KxAddress>();
    let replied = false;
    const reply = (lookup: Lookup, last: boolean) => {
      const target = lookup.answered().find((contact) => kxOf.has(contact.id));
      if (replied || (!target && !last)) return;
      replied = true;
      resolve(target ? hopsTo(lookup, target) : null);
    };
    const hopsTo = (lookup: Lookup, target: Contact): TraceHop[] =>
      lookup.pathTo(target).flatMap((contact) => {
        const kx = kxOf.get(contact.id);
        return kx ? [{ identity: contact.identity, kx }] : [];
      });
    network.search({
      target: key,
      width: TRACE_WIDTH,
      wantKx: true,
      onFound: (contact, found) => {
        if (found.kx) kxOf.set(contact.id, withAddresses(found.kx, contact));
        return true;
      },
      thorough: () => THOROUGH.some,
      // Whoever is slow by then is not waited for.
      onExplored: (lookup) => reply(lookup, false),
      onDone: (lookup) => reply(lookup, true),
    });
  });
}

/** A node that binds a wildcard and has no [KX] knows no address of its own: then it is where we reached it. */
function withAddresses(kx: KxAddress, contact: Contact): KxAddress {
  if (kx.ipv4 !== null || kx.ipv6 !== null) return kx;
  const ipv4 = contact.ipv4 === null ? null : ipv4Bytes(contact.ipv4);
  const ipv6 = contact.ipv6 === null ? null : ipv6Bytes(contact.ipv6);
  return { port: kx.port, ipv4, ipv6 };
}
