/**
 * Role: the parts of `npm run goals -- kx 3` with emulated delay and loss: the call path beside a chain of plain forwarders.
 *
 * Invariants: nothing passes unless emulator and machine did their part, as the chain shows.
 *
 * Not here: the networks that are measured (wan-path.ts).
 */

import { fileURLToPath } from 'node:url';
import type { WanLink } from '../wan-hosts.js';
import { runCommand } from './command.js';
import type { Outcome, Part, Tell } from './goal.js';
import { ECHOES, LINKS, ROUNDS, type RoundTrips, type WanPathResults } from './wan-path-results.js';

const WAN_PATH = fileURLToPath(new URL('./wan-path.js', import.meta.url));
const MOST_P50 = 1.02;
const MOST_P99 = 1.05;
/** Standard deviations of the difference that chance alone would give; more is a real difference: once in 740 runs is not. */
const MOST_EXCESS = 3;
/** The same for the chain's own loss beside what six links each way should lose, to either side. */
const MOST_STRAY = 4;
/** The chain's median beside the sum of the links' delays. */
const LEAST_CHAIN_P50 = 0.99;
const MOST_CHAIN_P50 = 1.05;
/** Its p99 beside the same: jitter makes it 1.04; far more says how busy the machine was, not how quick the path is. */
const MOST_CHAIN_P99 = 1.15;
/** The emulator's own lateness: more would disturb what is measured. */
const MOST_LATE_P99_US = 2_000;

export const delayedPart = wanPart('kx-3-delay', { delayMs: 20, jitterMs: 2, lossPercent: 0 });
export const lossyPart = wanPart('kx-3-loss', { delayMs: 20, jitterMs: 2, lossPercent: 1 });

function wanPart(log: string, link: WanLink): Part {
  const loss = link.lossPercent === 0 ? 'none lost' : 'no more lost than by chance';
  return {
    title: `${linkText(link)}: RTT p50 at most ${MOST_P50} × and p99 ${MOST_P99} × a chain of plain forwarders', ${loss}`,
    sampleSize: `${ROUNDS} rounds of ${ECHOES} echoes at 50/s, the chain in turn`,
    run: (tell) => run(tell, log, link),
  };
}

async function run(tell: Tell, log: string, link: WanLink): Promise<Outcome> {
  tell('building peer-load and peer-wan …');
  const bins = ['peer-load', 'peer-wan'].flatMap((bin) => ['--bin', bin]);
  const build = ['build', '--release', '-p', 'lab', ...bins];
  const built = await runCommand(`${log}-build`, 'cargo', build);
  if (built.code !== 0) return { passed: false, figure: `the programs were not built; see ${built.log}` };
  tell(`eight peers and a chain, ${linkText(link)}; about four minutes`);
  const args = [WAN_PATH, ...[link.delayMs, link.jitterMs, link.lossPercent].map(String)];
  const measured = await runCommand(log, process.execPath, args, { follow: true });
  if (measured.code !== 0) return { passed: false, figure: `the network broke off; see ${measured.log}` };
  return judgeWanPath(JSON.parse(measured.stdout) as WanPathResults);
}

/** Quantiles are over the echoes of all rounds together: no round is left out. */
export function judgeWanPath(results: WanPathResults): Outcome {
  const { link, callMs, chainMs, emulator, realtime, tunnels } = results;
  const [call, chain] = [summary(callMs), summary(chainMs)];
  const [p50, p99] = [call.p50 / chain.p50, call.p99 / chain.p99];
  const lostTooMuch = link.lossPercent === 0 ? call.lost > 0 : excess(call, chain) > MOST_EXCESS;
  const disturbed = [...disturbances(link, chain, emulator), ...shortcuts(link, call)];
  const changes = Object.entries(tunnels)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `, ${count} ${kind}`)
    .join('');
  const part = ({ lost, sent }: Summary) => `${((100 * lost) / sent).toFixed(1)} %`;
  return {
    passed: p50 <= MOST_P50 && p99 <= MOST_P99 && !lostTooMuch && disturbed.length === 0,
    figure: [
      `${linkText(link)}: RTT p50 ${call.p50.toFixed(1)} ms (${p50.toFixed(3)} × the chain's)`,
      `p99 ${call.p99.toFixed(1)} ms (${p99.toFixed(3)} ×)`,
      `${part(call)} lost (chain ${part(chain)})${changes}`,
      `${(emulator.offered / 1e6).toFixed(2)} million packets on all links`,
      `emulator late ${emulator.lateUs.p50} µs p50, ${emulator.lateUs.p99} µs p99, ${emulator.lateUs.max} µs at most${realtime ? '' : ', without real-time priority'}`,
      ...disturbed,
    ].join(', '),
  };
}

/** What shows that the emulator did not do what it was told, or that the machine was too busy. */
function disturbances(link: WanLink, chain: Summary, emulator: WanPathResults['emulator']): string[] {
  const expectedMs = 2 * LINKS * link.delayMs;
  const survival = (1 - link.lossPercent / 100) ** (2 * LINKS);
  const deviation = Math.sqrt(chain.sent * survival * (1 - survival));
  const dropped = emulator.queueFull + emulator.noRoom + emulator.unwritten;
  return [
    chain.p50 >= expectedMs * LEAST_CHAIN_P50 && chain.p50 <= expectedMs * MOST_CHAIN_P50
      ? ''
      : `the chain's p50 is ${chain.p50.toFixed(1)} ms, not about ${expectedMs}`,
    chain.p99 <= expectedMs * MOST_CHAIN_P99
      ? ''
      : `the chain's p99 is ${chain.p99.toFixed(1)} ms: the machine was too busy`,
    Math.abs(chain.lost - chain.sent * (1 - survival)) <= MOST_STRAY * deviation
      ? ''
      : `the chain lost ${chain.lost} of ${chain.sent}, not about ${((1 - survival) * 100).toFixed(1)} %`,
    dropped === 0 ? '' : `the emulator itself dropped ${dropped}`,
    emulator.lateUs.p99 <= MOST_LATE_P99_US ? '' : 'the emulator was too late',
  ].filter((text) => text !== '');
}

/** What shows that the call did not cross all the links, there and back. */
function shortcuts(link: WanLink, call: Summary): string[] {
  const expectedMs = 2 * LINKS * link.delayMs;
  const survival = (1 - link.lossPercent / 100) ** (2 * LINKS);
  const least = call.sent * (1 - survival) - MOST_STRAY * Math.sqrt(call.sent * survival * (1 - survival));
  return [
    call.p50 >= expectedMs * LEAST_CHAIN_P50
      ? ''
      : `a p50 of less than ${expectedMs} ms is not of twelve links`,
    call.lost >= least ? '' : `${call.lost} of ${call.sent} lost is too few for twelve links`,
  ].filter((text) => text !== '');
}

interface Summary {
  readonly sent: number;
  readonly lost: number;
  readonly p50: number;
  readonly p99: number;
}

/** NaN for quantiles of nothing, which pass no comparison. */
function summary(rounds: readonly RoundTrips[]): Summary {
  const all = rounds.flat();
  const come = all.filter((time) => time !== null).sort((a, b) => a - b);
  const quantile = (part: number) => come[Math.floor(come.length * part)] ?? Number.NaN;
  return { sent: all.length, lost: all.length - come.length, p50: quantile(0.5), p99: quantile(0.99) };
}

/** By how many standard deviations the first loses more than the second, if both lost alike but for chance. */
function excess(one: Summary, other: Summary): number {
  const both = (one.lost + other.lost) / (one.sent + other.sent);
  const deviation = Math.sqrt(both * (1 - both) * (1 / one.sent + 1 / other.sent));
  const difference = one.lost / one.sent - other.lost / other.sent;
  return deviation === 0 ? 0 : difference / deviation;
}

function linkText({ delayMs, jitterMs, lossPercent }: WanLink): string {
  return `${delayMs} ± ${jitterMs} ms${lossPercent === 0 ? '' : ` and ${lossPercent} % loss`} a link`;
}
