/** IP addresses between text and bytes. Text is always Node's canonical form, so equal addresses are equal strings. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { Endpoint } from './environment.js';

export function ipv4Bytes(host: string): Buffer | null {
  return isIPv4(host) ? Buffer.from(host.split('.').map(Number)) : null;
}

export function ipv4Text(bytes: Buffer): string {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

/** The 16 bytes of an IPv6 address in any text form (a zone is ignored), or null. */
export function ipv6Bytes(host: string): Buffer | null {
  const bare = host.split('%', 1)[0] as string;
  if (!isIPv6(bare)) return null;
  let text = bare;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const v4 = ipv4Bytes(dotted[2] as string) as Buffer;
    text = `${dotted[1]}${v4.readUInt16BE(0).toString(16)}:${v4.readUInt16BE(2).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => {
    bytes.writeUInt16BE(group, index * 2);
  });
  return bytes;
}

export function ipv6Text(bytes: Buffer): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** Key of an endpoint in maps. */
export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.host}|${endpoint.port}`;
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port;
}

/** What per-source limits count by: the address for IPv4, the /64 for IPv6. */
export function sourceKey(endpoint: Endpoint): string {
  if (endpoint.family === 4) return endpoint.host;
  return ipv6Bytes(endpoint.host)?.toString('latin1', 0, 8) ?? endpoint.host;
}

/** An endpoint from a literal address in any text form, or null for a name. IPv4-mapped IPv6 becomes IPv4. */
export function endpointOf(host: string, port: number): Endpoint | null {
  if (isIPv4(host)) return { family: 4, host, port };
  const bytes = ipv6Bytes(host);
  if (!bytes) return null;
  if (bytes.readUInt32BE(0) === 0 && bytes.readUInt32BE(4) === 0 && bytes.readUInt32BE(8) === 0xffff) {
    return { family: 4, host: ipv4Text(bytes.subarray(12)), port };
  }
  return { family: 6, host: ipv6Text(bytes), port };
}
