/**
 * PUT through an onion, read back through another exit where there is doubt.
 *
 * An exit that stored nothing, or says so, is replaced. Where no answer came, a GET through another exit tells whether
 * the content is there; the same is done by chance in one PUT of ten, so that an exit which only claims to store is
 * found out. Invariant: there is no storing of our own: where no onion gets through, nothing is stored.
 * Not here: a single onion (onion-run.ts).
 */
import type { Contact } from '../contact.js';
import type { StoreItem } from '../rpc-message.js';
import { runOnion } from './onion-run.js';
import { COMPARED_IN, type LookupParts } from './private-get.js';

const TRIES = 3;
const PUT_BOUND_MS = 10_000;
const CHECK_BOUND_MS = 5_000;

/** Resolves with the number of nodes that hold the content, as the exit says, or 1 where another exit found it. Never rejects. */
export async function privatePut(parts: LookupParts, item: StoreItem): Promise<number> {
  const { network, paths, warm } = parts;
  const startedAtMs = network.now;
  const avoidFirst = new Set<string>();
  const avoidSecond = new Set<string>();
  const avoidExit = new Set<string>();
  const choose = (otherExit: boolean) => {
    const path = warm.choose({ avoidFirst, avoidSecond, avoidExit, otherExit });
    for (const { id } of path?.slice(1, -1) ?? []) avoidSecond.add(id);
    if (path) avoidExit.add((path.at(-1) as Contact).id);
    return path;
  };
  const check = async (): Promise<'there' | 'missing' | 'unknown'> => {
    const path = choose(true);
    if (!path) return 'unknown';
    let there = false;
    const request = { kind: 'get', key: item.key } as const;
    const { ended } = await runOnion(parts, path, request, CHECK_BOUND_MS, (content) => {
      if (content.equals(item.content)) there = true;
    });
    if (there) return 'there';
    return ended ? 'missing' : 'unknown';
  };

  /** Exits that stored nothing: no use, if another can. */
  const useless: Contact[] = [];
  for (let tries = 0; tries < TRIES; tries++) {
    const ttlMs = item.ttlMs - (network.now - startedAtMs);
    const path = ttlMs > 0 && !parts.closed() ? choose(false) : null;
    if (!path) return 0;
    const [first, exit] = [path[0] as Contact, path.at(-1) as Contact];
    const outcome = await runOnion(parts, path, { kind: 'put', ...item, ttlMs }, PUT_BOUND_MS);
    const kind = outcome.fault?.kind;
    if (kind === 'first' || kind === 'busy') avoidFirst.add(first.id);
    const claimed = outcome.ended && outcome.stored > 0;
    const doubted = outcome.ended
      ? claimed && network.parts.random.bytes(2).readUInt16BE() % COMPARED_IN === 0
      : outcome.fault === null || outcome.fault.kind === 'silent';
    const found = doubted ? await check() : 'unknown';
    if (found === 'there' || (claimed && found === 'unknown')) {
      for (const one of useless) paths.suspect(one);
      return Math.max(1, outcome.stored);
    }
    if (claimed || (!outcome.ended && outcome.fault === null)) paths.suspect(exit);
    else if (outcome.ended) useless.push(exit);
  }
  return 0;
}
