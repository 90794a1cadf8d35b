/**
 * Role: what a stub is told to do other than a right module: the file of `peer test stub --script`, JSON or YAML.
 *
 * Invariants: checked as a whole before the stub listens; the first rule that fits a request and is not used up counts.
 * The format, with an example: docs/testing/stubs.md.
 *
 * Not here: what happens where no rule fits (dht-stub.ts, kx-stub.ts).
 */

import { readFile } from 'node:fs/promises';
import { isIPv4, isIPv6 } from 'node:net';
import * as v from 'valibot';
import { PeerError } from '../../errors.js';
import { type ApiMessage, encodeMessage, type PeerAddress, TYPE_NUMBER } from '../../wire/message.js';
import { formatOf, parseData } from '../data-text.js';
import { ipv4Bytes, ipv6Bytes } from '../ip-bytes.js';

const MOST_DELAY_MS = 3_600_000;

const hex = v.pipe(v.string(), v.regex(/^([0-9a-f]{2})*$/i, 'expected hexadecimal digits, two a byte'));
const id = v.pipe(hex, v.length(64, 'expected 64 hexadecimal digits'));
const ipv4 = v.pipe(v.string(), v.check(isIPv4, 'expected an IPv4 address'));
const ipv6 = v.pipe(v.string(), v.check(isIPv6, 'expected an IPv6 address'));
const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff));
const addresses = { ipv4: v.optional(ipv4), ipv6: v.optional(ipv6) };
const hop = v.strictObject({ identity: id, kxPort: port, ...addresses });
const answer = v.union(
  [
    v.strictObject({ content: v.string() }),
    v.strictObject({ contentHex: hex }),
    v.strictObject({ hops: v.array(hop) }),
    v.strictObject({ ready: v.strictObject(addresses) }),
    v.strictObject({ error: v.literal(true) }),
    v.strictObject({ raw: hex }),
  ],
  'expected one of content, contentHex, hops, ready, error, raw',
);
const REQUESTS = [
  'dht-put',
  'dht-get',
  'dht-trace',
  'kx-build-incoming',
  'kx-build-outgoing',
  'kx-destroy',
] as const;
const rule = v.strictObject({
  type: v.optional(v.picklist(REQUESTS)),
  key: v.optional(
    v.pipe(v.string(), v.regex(/^[0-9a-f]*\*?$/i, 'expected hexadecimal digits, * at the end')),
  ),
  times: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  delayMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(MOST_DELAY_MS))),
  answers: v.optional(v.array(answer)),
  close: v.optional(v.boolean()),
});
const script = v.strictObject({ rules: v.array(rule) });

type Rule = v.InferOutput<typeof rule>;
type Answer = v.InferOutput<typeof answer>;

/** What becomes of one request. */
export interface Scripted {
  /** Whole messages; null: those of a right module. */
  readonly frames: readonly Buffer[] | null;
  readonly delayMs: number;
  readonly close: boolean;
}

export class Script {
  readonly #rules: readonly Rule[];
  readonly #used = new Map<Rule, number>();

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  /** Null where no rule fits. */
  play(request: ApiMessage): Scripted | null {
    const key = 'key' in request ? request.key : request.pseudoIdentity;
    const found = this.#rules.find(
      (candidate) =>
        (candidate.type === undefined || candidate.type === request.type) &&
        matches(candidate.key, key.toString('hex')) &&
        (this.#used.get(candidate) ?? 0) < (candidate.times ?? Number.POSITIVE_INFINITY),
    );
    if (found === undefined) return null;
    this.#used.set(found, (this.#used.get(found) ?? 0) + 1);
    const frames = found.answers?.map((canned) => frameOf(canned, request, key)) ?? null;
    return { frames, delayMs: found.delayMs ?? 0, close: found.close ?? false };
  }
}

/** Errors: 'stub-script', naming the place in the file. */
export async function loadScript(file: string): Promise<Script> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new PeerError('stub-script', `${file} cannot be read: ${cause.message}`, { cause });
  });
  return parseScript(text, file);
}

/** Errors: 'stub-script', naming the place in `file`. */
export function parseScript(text: string, file: string): Script {
  let value: unknown;
  try {
    value = parseData(text, file);
  } catch (cause) {
    throw new PeerError('stub-script', `${file} is not ${formatOf(file)}: ${(cause as Error).message}`, {
      cause,
    });
  }
  const result = v.safeParse(script, value);
  if (result.success) return new Script(result.output.rules);
  const faults = result.issues.map(
    (issue) => `${file}: ${v.getDotPath(issue) ?? 'all of it'}: ${issue.message}`,
  );
  throw new PeerError('stub-script', faults.join('\n'), { remedy: 'docs/testing/stubs.md has the format' });
}

function matches(pattern: string | undefined, key: string): boolean {
  if (pattern === undefined) return true;
  const wanted = pattern.toLowerCase();
  return wanted.endsWith('*') ? key.startsWith(wanted.slice(0, -1)) : key === wanted;
}

function frameOf(canned: Answer, request: ApiMessage, key: Buffer): Buffer {
  if ('raw' in canned) return Buffer.from(canned.raw, 'hex');
  if ('content' in canned)
    return encodeMessage({ type: 'dht-get-reply', key, content: Buffer.from(canned.content) });
  if ('contentHex' in canned) {
    return encodeMessage({ type: 'dht-get-reply', key, content: Buffer.from(canned.contentHex, 'hex') });
  }
  if ('hops' in canned) return encodeMessage({ type: 'dht-trace-reply', key, hops: canned.hops.map(hopOf) });
  if ('ready' in canned) {
    const { ipv4, ipv6 } = addressBytes(canned.ready);
    const empty = { ipv4: ipv4 ?? Buffer.alloc(4), ipv6: ipv6 ?? Buffer.alloc(16) };
    return encodeMessage({ type: 'kx-ready', pseudoIdentity: key, ...empty });
  }
  const requestType = TYPE_NUMBER[request.type];
  return encodeMessage(
    'key' in request
      ? { type: 'dht-error', requestType, key }
      : { type: 'kx-error', requestType, pseudoIdentity: key },
  );
}

function hopOf({ identity, kxPort, ...rest }: v.InferOutput<typeof hop>): PeerAddress {
  return { identity: Buffer.from(identity, 'hex'), kxPort, ...addressBytes(rest) };
}

function addressBytes({ ipv4, ipv6 }: { ipv4?: string | undefined; ipv6?: string | undefined }) {
  return {
    ipv4: ipv4 === undefined ? null : ipv4Bytes(ipv4),
    ipv6: ipv6 === undefined ? null : ipv6Bytes(ipv6),
  };
}
