/**
 * Role: the measures: what of a trial is told, drawn, compared and held against thresholds.
 *
 * Invariants: a measure has an observation for each call, way of a call, peer or network, whichever it is of, and none where it
 * could not be measured; calls that failed count as such in `callsDone` and in nothing else.
 *
 * Not here: what is done with observations (statistics.ts).
 */

import { median, quantile } from '../quantile.js';
import { ratingOf } from './e-model.js';
import type { CallRecord, CallWay, PeerLoad, Trial } from './results.js';

export interface Measure {
  readonly name: string;
  /** What it is, for a person. */
  readonly title: string;
  readonly unit: string;
  /** Whether more is better; null: neither. */
  readonly isMoreBetter: boolean | null;
  readonly observe: (trial: Trial) => readonly number[];
}

export const MEASURES: readonly Measure[] = [
  measure('callsDone', 'calls that came about and lasted', '%', true, (trial) =>
    trial.calls.map(({ failure }) => (failure === undefined ? 100 : 0)),
  ),
  measure(
    'ringingMs',
    'from dialling to ringing',
    'ms',
    false,
    ofCalls(({ ringingAfterMs }) => ringingAfterMs),
  ),
  measure(
    'lookupMs',
    'looking the callee up in the DHT',
    'ms',
    false,
    ofCalls(between('looking-up', 'building')),
  ),
  measure('tunnelMs', 'building the tunnel', 'ms', false, ofCalls(between('building', 'connecting'))),
  measure(
    'roundTripMs',
    'round trip of call control',
    'ms',
    false,
    ofCalls(({ roundTripMs }) => roundTripMs),
  ),
  measure(
    'mouthToEarMs',
    'mouth to ear, median of a way',
    'ms',
    false,
    ofWays((way) => median(delays(way))),
  ),
  measure(
    'mouthToEarP95Ms',
    'mouth to ear, p95 of a way',
    'ms',
    false,
    ofWays((way) => quantile(delays(way), 0.95)),
  ),
  measure(
    'pesq',
    'PESQ-WB, mean of a way',
    'MOS-LQO',
    true,
    ofWays(({ spells }) => mean(spells.map(({ pesq }) => pesq))),
  ),
  measure('r', 'E-model R, mean of a way', '', true, ofWays(rating)),
  measure(
    'lossPercent',
    'voice packets that never came',
    '%',
    false,
    ofWays((way) => share(way, 'lost')),
  ),
  measure(
    'latePercent',
    'voice packets that came too late',
    '%',
    false,
    ofWays((way) => share(way, 'late')),
  ),
  measure(
    'concealedPercent',
    'frames invented',
    '%',
    false,
    ofWays((way) => share(way, 'concealed')),
  ),
  measure(
    'jitterMs',
    'interarrival jitter, median of a way',
    'ms',
    false,
    ofWays(({ voice }) => median(voice.map(({ jitterMs }) => jitterMs))),
  ),
  measure(
    'bufferMs',
    'delay of the jitter buffer, median of a way',
    'ms',
    false,
    ofWays(({ voice }) => median(voice.map(({ bufferMs }) => bufferMs))),
  ),
  measure(
    'cpuPercent',
    'processor time of a peer in a call',
    '% of a core',
    false,
    ofPeers(inCalls, ({ cpuPercent }) => cpuPercent),
  ),
  measure(
    'relayCpuPercent',
    'processor time of any other peer',
    '% of a core',
    false,
    ofPeers(isRelay, ({ cpuPercent }) => cpuPercent),
  ),
  measure(
    'sentKbps',
    'sent by a peer in a call',
    'kbit/s',
    false,
    ofPeers(inCalls, ({ sentKbps }) => sentKbps),
  ),
  measure(
    'relaySentKbps',
    'sent by any other peer',
    'kbit/s',
    false,
    ofPeers(isRelay, ({ sentKbps }) => sentKbps),
  ),
  measure('emulatorLateUs', 'lateness of the emulator, p99 of a network', 'µs', false, ({ emulator }) =>
    known([emulator?.by === 'netem' ? null : emulator?.lateUs.p99]),
  ),
  measure(
    'emulatorErrorMs',
    'round trip on emulated links beyond what was wanted, median of a network',
    'ms',
    false,
    ({ emulator }) =>
      known([
        emulator === null ? null : median(known(emulator.echoes.roundTripsMs)) - emulator.echoes.wantedMs,
      ]),
  ),
];

/** Errors: none but a name that is no measure's, which no results have. */
export function measureNamed(name: string): Measure {
  const found = MEASURES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no measure ${name}`);
  return found;
}

function measure(
  name: string,
  title: string,
  unit: string,
  isMoreBetter: boolean | null,
  observe: Measure['observe'],
): Measure {
  return { name, title, unit, isMoreBetter, observe };
}

function ofCalls(observe: (call: CallRecord) => number | null): Measure['observe'] {
  return ({ calls }) => known(calls.filter(({ failure }) => failure === undefined).map(observe));
}

function ofWays(observe: (way: CallWay) => number): Measure['observe'] {
  return ({ calls }) =>
    known(calls.filter(({ failure }) => failure === undefined).flatMap(({ ways }) => ways.map(observe)));
}

function ofPeers(
  counts: (peer: PeerLoad) => boolean,
  observe: (peer: PeerLoad) => number | null,
): Measure['observe'] {
  return ({ peers }) => known(peers.filter(counts).map(observe));
}

function inCalls({ role }: PeerLoad): boolean {
  return role !== 'relay';
}

function isRelay({ role }: PeerLoad): boolean {
  return role === 'relay';
}

/** Time from one state to another; null where one of them was not seen. */
function between(from: string, to: string): (call: CallRecord) => number | null {
  return ({ steps }) => {
    const [begun, done] = [from, to].map((name) => steps.find(({ state }) => state === name)?.afterMs);
    return begun === undefined || done === undefined ? null : done - begun;
  };
}

function delays({ spells }: CallWay): number[] {
  return spells.flatMap(({ delaysMs }) => [...delaysMs]);
}

function rating({ spells }: CallWay): number {
  return mean(
    spells.map(({ pesq, delaysMs }) => ratingOf(pesq, delaysMs.length === 0 ? 0 : median(delaysMs))),
  );
}

/** Part of all packets of a way until its last sample, in percent. */
function share({ voice }: CallWay, of: 'lost' | 'late' | 'concealed'): number {
  const last = voice.at(-1);
  return last === undefined ? Number.NaN : (100 * last[of]) / (last.received + last.lost);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function known(values: readonly (number | null | undefined)[]): number[] {
  return values.filter(
    (value): value is number => value !== null && value !== undefined && Number.isFinite(value),
  );
}
