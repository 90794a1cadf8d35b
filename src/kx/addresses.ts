/**
 * Role: addresses of peers between the API's bytes and the engine's text.
 *
 * Not here: names and their resolution.
 */

import type { PeerAddress } from '../wire/message.js';

/** IP families that this peer can send from. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** The address by which this peer reaches `peer`, IPv4 first; `null` where there is no common family. */
export function reachableAddress(peer: PeerAddress, families: Families): string | null {
  if (peer.ipv4 !== null && families.ipv4) return [...peer.ipv4].join('.');
  if (peer.ipv6 !== null && families.ipv6) return formatIpv6(peer.ipv6);
  return null;
}

/** 16 bytes as text, not shortened. */
export function formatIpv6(bytes: Buffer): string {
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return groups.join(':');
}

/** Text to the bytes of READY (Spec 3.2.3): IPv4 4 bytes, IPv6 16 bytes, the absent family zero. */
export function readyAddresses(address: string | undefined): { ipv4: Buffer; ipv6: Buffer } {
  const ipv4 = Buffer.alloc(4);
  const ipv6 = Buffer.alloc(16);
  if (address?.includes(':')) parseIpv6(address).copy(ipv6);
  else if (address !== undefined) Buffer.from(address.split('.').map(Number)).copy(ipv4);
  return { ipv4, ipv6 };
}

/** Text that the engine has made (never with an embedded IPv4 address) to 16 bytes. */
function parseIpv6(text: string): Buffer {
  const [head = '', tail] = text.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}
