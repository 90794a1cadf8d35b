/**
 * Role: API messages as JSON, for the proxy's log and for rules: bytes as hex, IP addresses as people write them.
 *
 * Invariants: what {@link messageToJson} makes of a message that was decoded, MESSAGE_SCHEMAS reads back as the same.
 *
 * Not here: the bytes of a message (src/wire).
 */

import { isIPv4, isIPv6 } from 'node:net';
import * as v from 'valibot';
import type { ApiMessage } from '../../wire/message.js';

export type Api = 'dht' | 'kx';
export type TypeName = ApiMessage['type'];

const whole = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(most));

/** Hex of exactly `bytes` bytes, or of any number of them. */
export function hex(bytes?: number) {
  return v.pipe(
    v.string(),
    v.regex(/^([0-9a-f]{2})*$/i, 'Expected an even number of hex digits'),
    v.check(
      (text) => bytes === undefined || text.length === 2 * bytes,
      `Expected ${2 * (bytes ?? 0)} hex digits`,
    ),
    v.transform((text) => Buffer.from(text, 'hex')),
  );
}

const ipv4 = v.pipe(v.string(), v.check(isIPv4, 'Expected an IPv4 address'), v.transform(ipv4Bytes));
const ipv6 = v.pipe(v.string(), v.check(isPlainIpv6, 'Expected an IPv6 address'), v.transform(ipv6Bytes));

const peerAddress = v.strictObject({
  identity: hex(32),
  kxPort: whole(0xffff),
  ipv4: v.nullable(ipv4),
  ipv6: v.nullable(ipv6),
});
const build = {
  hops: whole(0xff),
  pseudoIdentity: hex(32),
  exchangePoint: peerAddress,
  extension: v.optional(hex(), ''),
};

/** The fields of each message, without its type. */
export const FIELDS = {
  'dht-put': { key: hex(32), ttlSeconds: whole(0xffff), replication: whole(0xff), content: hex() },
  'dht-get': { key: hex(32) },
  'dht-trace': { key: hex(32) },
  'dht-get-reply': { key: hex(32), content: hex() },
  'dht-trace-reply': { key: hex(32), hops: v.array(peerAddress) },
  'dht-error': { requestType: whole(0xffff), key: hex(32) },
  'kx-build-incoming': build,
  'kx-build-outgoing': build,
  'kx-ready': { pseudoIdentity: hex(32), ipv4, ipv6 },
  'kx-destroy': { pseudoIdentity: hex(32) },
  'kx-error': { requestType: whole(0xffff), pseudoIdentity: hex(32) },
} as const;

export const TYPE_NAMES = Object.keys(FIELDS) as readonly TypeName[];

export const MESSAGE_SCHEMAS = Object.fromEntries(
  TYPE_NAMES.map((type) => [type, v.strictObject({ type: v.literal(type), ...FIELDS[type] })]),
) as unknown as Readonly<Record<TypeName, v.GenericSchema<unknown, ApiMessage>>>;

/** What stands in log and rules for a message, its type included. */
export function messageToJson(message: ApiMessage): Record<string, unknown> {
  return plain(message) as Record<string, unknown>;
}

function plain(value: unknown, name = ''): unknown {
  if (Buffer.isBuffer(value))
    return name === 'ipv4' || name === 'ipv6' ? ipText(value) : value.toString('hex');
  if (Array.isArray(value)) return value.map((each) => plain(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each, key)]));
}

/** `bytes` has 4 or 16 bytes. */
export function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return canonical(groups.join(':'));
}

/** The 4 or 16 bytes of an address, `null` for a text that is none. */
export function ipBytes(text: string): Buffer | null {
  if (isIPv4(text)) return ipv4Bytes(text);
  return isPlainIpv6(text) ? ipv6Bytes(text) : null;
}

function isPlainIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function ipv4Bytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail] = canonical(text).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const middle = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const out = Buffer.alloc(16);
  for (const [index, group] of [...left, ...middle, ...right].entries())
    out.writeUInt16BE(Number.parseInt(group, 16), 2 * index);
  return out;
}

/** In the form of RFC 5952, save that there is never a dotted part. */
function canonical(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}
