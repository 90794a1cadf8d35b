/**
 * Role: what a tester knows of the network around a module: the JSON or YAML file of `--peers`.
 *
 *   [{ "identity": "64 hex digits", "kxPort": 3001, "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "target": true }]
 *
 * `target`: each TRACE ends at this peer, as it is responsible for all keys (a stub, or one of two peers).
 *
 * Invariants: checked as a whole; an address that is left out is one that the peer does not have.
 */

import { readFile } from 'node:fs/promises';
import { isIPv4, isIPv6 } from 'node:net';
import * as v from 'valibot';
import { PeerError } from '../errors.js';
import type { PeerAddress } from '../wire/message.js';
import { parseData } from './data-text.js';
import { ipv4Bytes, ipv6Bytes } from './ip-bytes.js';

export interface KnownPeer extends PeerAddress {
  readonly isTarget: boolean;
}

const schema = v.array(
  v.strictObject({
    identity: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/i, 'expected 64 hexadecimal digits')),
    kxPort: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(0xffff)),
    ipv4: v.optional(v.pipe(v.string(), v.check(isIPv4, 'expected an IPv4 address'))),
    ipv6: v.optional(v.pipe(v.string(), v.check(isIPv6, 'expected an IPv6 address'))),
    target: v.optional(v.boolean()),
  }),
);

/** Errors: 'known-peers', naming the place in the file. */
export async function loadKnownPeers(file: string): Promise<KnownPeer[]> {
  let value: unknown;
  try {
    value = parseData(await readFile(file, 'utf8'), file);
  } catch (cause) {
    throw new PeerError('known-peers', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const result = v.safeParse(schema, value);
  if (!result.success) {
    const faults = result.issues.map(
      (issue) => `${file}: ${v.getDotPath(issue) ?? 'all of it'}: ${issue.message}`,
    );
    throw new PeerError('known-peers', faults.join('\n'), {
      remedy: 'docs/testing/conformance.md has the format',
    });
  }
  return result.output.map(({ identity, kxPort, ipv4, ipv6, target }) => ({
    identity: Buffer.from(identity, 'hex'),
    kxPort,
    ipv4: ipv4 === undefined ? null : ipv4Bytes(ipv4),
    ipv6: ipv6 === undefined ? null : ipv6Bytes(ipv6),
    isTarget: target === true,
  }));
}
