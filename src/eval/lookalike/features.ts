/**
 * Role: what a listener may look at who knows when a call was answered and when it ended: more than a listener knows.
 *
 * Not here: what tells calls apart by it (classify.ts).
 */

import { quantile } from '../quantile.js';
import type { Seen } from './packets.js';
import type { Trial } from './results.js';

const SECOND = 1_000;
const BIN_MS = 100;
/** Around the call. */
const BEFORE_MS = 60 * SECOND;
const SET_UP_MS = 8 * SECOND;
const AFTER_MS = 45 * SECOND;
/** How far back a listener looks for the last time that something happened. */
const LOOK_BACK_MS = 600 * SECOND;
const WINDOW_MS = 500;
/** KX datagrams a second that are clearly more than the beat of rest. */
const RAISED_PER_SECOND = 40;

interface Datagram {
  readonly atMs: number;
  readonly isOut: boolean;
  readonly other: number;
  readonly size: number;
  readonly isKx: boolean;
}

/** @param kxPort UDP port of all KX modules */
export function featuresOf(
  seen: Seen,
  { answeredMs, endedMs }: Trial,
  kxPort: number,
): Record<string, number> {
  const between = (fromMs: number, toMs: number) => cut(seen, fromMs, toMs, kxPort);
  const kx = (list: readonly Datagram[], isOut: boolean) =>
    list.filter((one) => one.isKx && one.isOut === isOut);
  const talk = between(answeredMs + 3 * SECOND, endedMs - SECOND);
  const setUp = between(answeredMs - SET_UP_MS, answeredMs);
  const before = between(answeredMs - BEFORE_MS, answeredMs - SET_UP_MS);
  const after = between(endedMs + 2 * SECOND, endedMs + 28 * SECOND);
  const talkSeconds = (endedMs - answeredMs) / SECOND - 4;
  const features: Record<string, number> = {};
  for (const [name, isOut] of [['out', true] as const, ['in', false] as const]) {
    const flow = kx(talk, isOut);
    features[`talk ${name} rate`] = flow.length / talkSeconds;
    features[`talk ${name} spread`] = spread(flow, answeredMs + 3 * SECOND, endedMs - SECOND);
    features[`talk ${name} gap p50`] = gap(flow, 0.5);
    features[`talk ${name} gap p95`] = gap(flow, 0.95);
    features[`talk ${name} others`] = new Set(flow.map(({ other }) => other)).size;
    features[`talk ${name} first share`] = firstShare(flow);
    features[`set-up ${name} rate`] = kx(setUp, isOut).length / (SET_UP_MS / SECOND);
    features[`before ${name} rate`] = kx(before, isOut).length / ((BEFORE_MS - SET_UP_MS) / SECOND);
    features[`after ${name} rate`] = kx(after, isOut).length / 26;
  }
  const dht = (list: readonly Datagram[]) => list.filter(({ isKx }) => !isKx).length;
  features['talk dht rate'] = dht(talk) / talkSeconds;
  features['set-up dht rate'] = dht(setUp) / (SET_UP_MS / SECOND);
  features['before dht rate'] = dht(before) / ((BEFORE_MS - SET_UP_MS) / SECOND);
  features['kx sizes'] = new Set([...setUp, ...talk].filter(({ isKx }) => isKx).map(({ size }) => size)).size;
  features['raised after'] = raisedUntil(kx(between(endedMs, endedMs + AFTER_MS), true), endedMs);
  features['quiet before'] = quietBefore(
    kx(between(answeredMs - LOOK_BACK_MS, answeredMs - BEFORE_MS / 2), true),
    answeredMs - BEFORE_MS / 2,
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

/** Share of the datagrams that go to, or come from, the one with the most. */
function firstShare(flow: readonly Datagram[]): number {
  const counts = new Map<number, number>();
  for (const { other } of flow) counts.set(other, (counts.get(other) ?? 0) + 1);
  return flow.length === 0 ? 0 : Math.max(...counts.values()) / flow.length;
}

/** Seconds after `fromMs` until the rate is that of rest. */
function raisedUntil(flow: readonly Datagram[], fromMs: number): number {
  const raised = raisedWindows(flow, fromMs, AFTER_MS);
  return ((raised.at(-1) ?? -1) + 1) * (WINDOW_MS / SECOND);
}

/** Seconds before `toMs` in which nothing raised the rate. */
function quietBefore(flow: readonly Datagram[], toMs: number): number {
  const lookedMs = LOOK_BACK_MS - BEFORE_MS / 2;
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
