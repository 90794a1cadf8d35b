/**
 * Role: runs checks and gathers what they found.
 *
 * Invariants: every check that was selected has exactly one result; each is bounded in time, whatever the module does; one
 * that ends in an exception of ours has failed, and says so.
 *
 * Not here: the checks, how results are told (report.ts).
 */

import { PeerError } from '../../errors.js';
import { apiChecks } from './api-checks.js';
import { Bench, type BenchOptions } from './bench.js';
import { type Check, CheckFailed, NotChecked, type TestedModule } from './check.js';
import { DHT_CHECKS } from './dht-checks.js';
import { KX_CHECKS } from './kx-checks.js';
import { TRACE_CHECKS } from './trace-checks.js';
import { WireClient } from './wire-client.js';

/** A check waits for several answers, one after the other. */
const PATIENCE_A_CHECK = 6;
const CHECK_MS = 15_000;
const CONNECT_MS = 5_000;

export interface CheckResult {
  readonly address: string;
  readonly level: Check['level'];
  readonly text: string;
  readonly outcome: 'holds' | 'fails' | 'not-checked';
  /** What was seen instead, or what is missing; empty where it holds. */
  readonly detail: string;
  readonly milliseconds: number;
}

/** All checks, or those whose address begins with one of the prefixes. Errors: 'usage' for one that fits none. */
export function checksOf(module: TestedModule, prefixes: readonly string[] = []): readonly Check[] {
  const all = [
    ...apiChecks(module),
    ...(module === 'dht' ? [...DHT_CHECKS, ...TRACE_CHECKS] : KX_CHECKS),
  ].sort((one, other) => compare(one.address, other.address));
  const fits = (address: string, prefix: string) =>
    address === prefix || address.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
  for (const prefix of prefixes) {
    if (!all.some(({ address }) => fits(address, prefix))) {
      throw new PeerError('usage', `no check has an address that begins with ${prefix}`, {
        remedy: `peer test conformance ${module} --list shows all addresses`,
      });
    }
  }
  if (prefixes.length === 0) return all;
  return all.filter(({ address }) => prefixes.some((prefix) => fits(address, prefix)));
}

/** Errors: 'target-unreachable' where nobody listens there. */
export async function runChecks(
  checks: readonly Check[],
  options: BenchOptions,
  atOnce: number,
  onResult: (result: CheckResult) => void = () => {},
): Promise<CheckResult[]> {
  (await WireClient.connect(options.host, options.port, CONNECT_MS)).destroy();
  const results: CheckResult[] = new Array(checks.length);
  let next = 0;
  const work = async () => {
    for (let place = next++; place < checks.length; place = next++) {
      const result = await runCheck(checks[place] as Check, options);
      results[place] = result;
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, checks.length) }, work));
  return results;
}

async function runCheck({ address, level, text, run }: Check, options: BenchOptions): Promise<CheckResult> {
  const bench = new Bench(options);
  const since = performance.now();
  const limitMs = options.patienceMs * PATIENCE_A_CHECK + options.ttlSeconds * 1000 + CHECK_MS;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CheckFailed(`no end in ${limitMs} ms`)), limitMs);
  });
  let outcome: CheckResult['outcome'] = 'holds';
  let detail = '';
  try {
    await Promise.race([run(bench), late]);
  } catch (error) {
    outcome = error instanceof NotChecked ? 'not-checked' : 'fails';
    detail = error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    bench.end();
  }
  return { address, level, text, outcome, detail, milliseconds: Math.round(performance.now() - since) };
}

/** By section, where 3.1.2 comes before 3.1.10, in the order of the checks otherwise. */
function compare(one: string, other: string): number {
  const sections = [one, other].map((address) => (address.split('/')[1] ?? '').split('.').map(Number));
  const [a = [], b = []] = sections;
  for (let place = 0; place < Math.max(a.length, b.length); place += 1) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
