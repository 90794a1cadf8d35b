/**
 * Which hops stand too close together: in one /16 (IPv4) or /32 (IPv6), as far as those say something.
 *
 * Private and loopback prefixes count only with DIVERSITY = on. Not here: the choice (path-choice.ts).
 */
import { BlockList } from 'node:net';
import type { Diversity } from '../../config/config.js';
import { ipv6Bytes } from '../address.js';
import type { UnverifiedContact } from '../contact.js';

const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
] as const) {
  PRIVATE.addSubnet(net, bits);
}
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');
PRIVATE.addAddress('::1', 'ipv6');

function prefixes(contact: UnverifiedContact, strict: boolean): string[] {
  const { ipv4, ipv6 } = contact;
  const found: string[] = [];
  if (ipv4 !== null && (strict || !PRIVATE.check(ipv4, 'ipv4'))) {
    found.push(ipv4.split('.').slice(0, 2).join('.'));
  }
  if (ipv6 !== null && (strict || !PRIVATE.check(ipv6, 'ipv6'))) {
    found.push(ipv6Bytes(ipv6)?.toString('hex', 0, 4) ?? '');
  }
  return found;
}

/** Choosing compares the same few contacts again and again. */
const KNOWN = { auto: new WeakMap<object, string[]>(), on: new WeakMap<object, string[]>() };

function prefixesOf(contact: UnverifiedContact, diversity: 'auto' | 'on'): string[] {
  let known = KNOWN[diversity].get(contact);
  if (!known) {
    known = prefixes(contact, diversity === 'on');
    KNOWN[diversity].set(contact, known);
  }
  return known;
}

/** Whether the two should not stand on one path. */
export function nearby(a: UnverifiedContact, b: UnverifiedContact, diversity: Diversity): boolean {
  if (diversity === 'off') return false;
  const others = prefixesOf(b, diversity);
  return prefixesOf(a, diversity).some((prefix) => others.includes(prefix));
}
