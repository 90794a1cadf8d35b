/**
 * Role: what a listener may look at who knows that there was a call then, real or fake.
 *
 * Not here: what tells calls apart by it (classify.ts).
 */

import { quantile } from '../quantile.js';
import type { Seen } from './packets.js';
import type { Trial } from './results.js';

const SECOND = 1_000;
const BIN_MS = 100;
const VOICE_MS = 20;
/** Before the rate rises, and after it has fallen. */
const BEFORE_MS = 60 * SECOND;
const SET_UP_MS = 8 * SECOND;
const AFTER_MS = 15 * SECOND;
/** What goes on when all is settled: so much after the rise and before the fall is left out (the beat stays for half a minute). */
const RISE_MS = 3 * SECOND;
const FALL_MS = 33 * SECOND;
/** The longest that is looked at around a call, and how far back a listener looks for the last time that something happened. */
const AROUND_MS = 150 * SECOND;
const LOOK_BACK_MS = 600 * SECOND;
const WINDOW_MS = 500;
/** KX datagrams a second that are clearly more than the beat of rest. */
const RAISED_PER_SECOND = 40;
/** So long below that is no fall. */
const DIP_MS = 2 * SECOND;

interface Datagram {
  readonly atMs: number;
  readonly isOut: boolean;
  readonly other: number;
  readonly size: number;
  readonly isKx: boolean;
}

/**
 * What is seen of a call, by name: rates a second, milliseconds, seconds.
 *
 * A listener sees neither the answer nor the end, but that the rate rises and falls: all is told from there. Null where it does not.
 * @param kxPort UDP port of all KX modules
 */
export function featuresOf(seen: Seen, { endedMs }: Trial, kxPort: number): Record<string, number> | null {
  const between = (fromMs: number, toMs: number) => cut(seen, fromMs, toMs, kxPort);
  const kx = (list: readonly Datagram[], isOut: boolean) =>
    list.filter((one) => one.isKx && one.isOut === isOut);
  const raised = raisedAround(kx(between(endedMs - AROUND_MS, endedMs + AROUND_MS), true), endedMs);
  if (raised === null) return null;
  const [fromMs, toMs] = raised;
  const [talkFrom, talkTo] = [fromMs + RISE_MS, Math.max(toMs - FALL_MS, fromMs + RISE_MS + SECOND)];
  const talk = between(talkFrom, talkTo);
  const talkSeconds = (talkTo - talkFrom) / SECOND;
  const setUp = between(fromMs - SET_UP_MS, fromMs);
  const begin = between(fromMs, fromMs + RISE_MS);
  const before = between(fromMs - BEFORE_MS, fromMs - SET_UP_MS);
  const after = between(toMs + SECOND, toMs + SECOND + AFTER_MS);
  const features: Record<string, number> = { 'raised for': (toMs - fromMs) / SECOND };
  for (const [name, isOut] of [['out', true] as const, ['in', false] as const]) {
    const flow = kx(talk, isOut);
    features[`talk ${name} rate`] = flow.length / talkSeconds;
    features[`talk ${name} spread`] = spread(flow, talkFrom, talkTo);
    features[`talk ${name} gap p5`] = gap(flow, 0.05);
    features[`talk ${name} gap p50`] = gap(flow, 0.5);
    features[`talk ${name} gap p95`] = gap(flow, 0.95);
    features[`talk ${name} 50 Hz`] = rhythm(flow);
    features[`talk ${name} others`] = new Set(flow.map(({ other }) => other)).size;
    features[`talk ${name} first share`] = firstShare(flow);
    features[`begin ${name} rate`] = kx(begin, isOut).length / (RISE_MS / SECOND);
    features[`set-up ${name} rate`] = kx(setUp, isOut).length / (SET_UP_MS / SECOND);
    features[`before ${name} rate`] = kx(before, isOut).length / ((BEFORE_MS - SET_UP_MS) / SECOND);
    features[`after ${name} rate`] = kx(after, isOut).length / (AFTER_MS / SECOND);
  }
  const dht = (list: readonly Datagram[]) => list.filter(({ isKx }) => !isKx).length;
  features['talk dht rate'] = dht(talk) / talkSeconds;
  features['set-up dht rate'] = dht(setUp) / (SET_UP_MS / SECOND);
  features['before dht rate'] = dht(before) / ((BEFORE_MS - SET_UP_MS) / SECOND);
  features['kx sizes'] = new Set([...setUp, ...talk].filter(({ isKx }) => isKx).map(({ size }) => size)).size;
  features['quiet before'] = quietBefore(
    kx(between(fromMs - LOOK_BACK_MS, fromMs - SET_UP_MS), true),
    fromMs - SET_UP_MS,
  );
  return features;
}

function cut(seen: Seen, fromMs: number, toMs: number, kxPort: number): Datagram[] {
  const found: Datagram[] = [];
  for (let index = firstAtOrAfter(seen.atMs, fromMs); index < seen.atMs.length; index += 1) {
    const atMs = seen.atMs[index] as number;
    if (atMs >= toMs) break;
    found.push({
      atMs,
      isOut: seen.isOut[index] as boolean,
      other: seen.other[index] as number,
      size: seen.size[index] as number,
      isKx: seen.port[index] === kxPort,
    });
  }
  return found;
}

function firstAtOrAfter(times: readonly number[], wantedMs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) < wantedMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Standard deviation of the datagrams in each tenth of a second. */
function spread(flow: readonly Datagram[], fromMs: number, toMs: number): number {
  const counts = new Array<number>(Math.max(1, Math.floor((toMs - fromMs) / BIN_MS))).fill(0);
  for (const { atMs } of flow) {
    const bin = Math.floor((atMs - fromMs) / BIN_MS);
    if (bin < counts.length) counts[bin] = (counts[bin] as number) + 1;
  }
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return Math.sqrt(counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length);
}

function gap(flow: readonly Datagram[], part: number): number {
  const gaps = flow.slice(1).map(({ atMs }, index) => atMs - (flow[index] as Datagram).atMs);
  return gaps.length === 0 ? 0 : quantile(gaps, part);
}

/** How far the datagrams keep to the beat of voice, 50 a second: 0 not at all, 1 all at one moment of it. */
function rhythm(flow: readonly Datagram[]): number {
  let [x, y] = [0, 0];
  for (const { atMs } of flow) {
    const angle = (2 * Math.PI * (atMs % VOICE_MS)) / VOICE_MS;
    x += Math.cos(angle);
    y += Math.sin(angle);
  }
  return flow.length === 0 ? 0 : Math.hypot(x, y) / flow.length;
}

/** Share of the datagrams that go to, or come from, the one with the most. */
function firstShare(flow: readonly Datagram[]): number {
  const counts = new Map<number, number>();
  for (const { other } of flow) counts.set(other, (counts.get(other) ?? 0) + 1);
  return flow.length === 0 ? 0 : Math.max(...counts.values()) / flow.length;
}

/** From when to when the rate is raised, the time in which `aroundMs` is. */
function raisedAround(flow: readonly Datagram[], aroundMs: number): [number, number] | null {
  const beginMs = aroundMs - AROUND_MS;
  const raised = raisedWindows(flow, beginMs, 2 * AROUND_MS);
  const around = AROUND_MS / WINDOW_MS;
  const dip = DIP_MS / WINDOW_MS;
  const nearest = raised.findLastIndex((window) => window <= around);
  if (nearest < 0 || around - (raised[nearest] as number) > dip) return null;
  let [first, last] = [nearest, nearest];
  while (first > 0 && (raised[first] as number) - (raised[first - 1] as number) <= dip) first -= 1;
  while (last + 1 < raised.length && (raised[last + 1] as number) - (raised[last] as number) <= dip)
    last += 1;
  return [
    beginMs + (raised[first] as number) * WINDOW_MS,
    beginMs + ((raised[last] as number) + 1) * WINDOW_MS,
  ];
}

/** Seconds before `toMs` in which nothing raised the rate. */
function quietBefore(flow: readonly Datagram[], toMs: number): number {
  const lookedMs = LOOK_BACK_MS - SET_UP_MS;
  const raised = raisedWindows(flow, toMs - lookedMs, lookedMs);
  return (lookedMs - ((raised.at(-1) ?? -1) + 1) * WINDOW_MS) / SECOND;
}

/** Which windows from `fromMs` on have more than the beat of rest, in order. */
function raisedWindows(flow: readonly Datagram[], fromMs: number, lengthMs: number): number[] {
  const counts = new Array<number>(Math.ceil(lengthMs / WINDOW_MS)).fill(0);
  for (const { atMs } of flow) {
    const window = Math.floor((atMs - fromMs) / WINDOW_MS);
    if (window >= 0 && window < counts.length) counts[window] = (counts[window] as number) + 1;
  }
  const least = (RAISED_PER_SECOND * WINDOW_MS) / SECOND;
  return counts.flatMap((count, index) => (count >= least ? [index] : []));
}
