/**
 * Role: what a demo run has measured, and whether that is a telephone call.
 *
 * Invariants: pure; every fault is a sentence for a person; no fault means that all that must hold holds.
 *
 * Not here: measuring (run.ts), printing (report.ts).
 */

import type { DatagramSizes, Score } from './lab.js';
import type { VoiceFigures } from './telephone-call.js';

/**
 * Speech has arrived unmistakably if the envelopes of what was said and what was heard correlate at least so much, and
 * by so much better than those of the other person's speech with the same recording. Other speech of this length
 * reaches 0.13 to 0.19 at its best place; the right one 0.86 even where the delay changes during the call, which
 * costs more than noise does. The threshold lies far from both.
 */
export const LEAST_PEAK = 0.6;
export const LEAST_LEAD = 0.3;
/** Worse than this is no speech that could be understood, whatever its envelope. */
export const LEAST_PESQ = 1.5;

export const KX_PORT = 3001;
export const DHT_PORT = 3000;
/** crates/cell: the one size of all datagrams between KX modules. */
export const KX_DATAGRAM = 384;

export interface Direction {
  readonly from: string;
  readonly to: string;
  readonly score: Score;
  /** Envelope correlation of the wrong speech with the same recording. */
  readonly controlPeak: number;
  /** Counted at `to`. */
  readonly voice: VoiceFigures;
  /** Recordings of the microphone and of the loudspeaker, on one time scale. */
  readonly said: string;
  readonly heard: string;
}

export interface Measurements {
  readonly peers: number;
  readonly ringingAfterMs: number | null;
  readonly answeredAfterMs: number | null;
  readonly roundTripMs: number | null;
  readonly lowestRoundTripMs: number | null;
  readonly directions: readonly Direction[];
  readonly datagrams: DatagramSizes;
  readonly seconds: number;
}

export interface Summary extends Measurements {
  readonly passed: boolean;
  readonly faults: readonly string[];
  /** Where recordings and logs lie. */
  readonly directory: string;
}

/** Share of the voice packets that did not come, in percent. */
export function lossPercent({ received, lost }: VoiceFigures): number {
  return received + lost === 0 ? 100 : (100 * lost) / (received + lost);
}

export function judge(measurements: Measurements, directory: string): Summary {
  const { directions, datagrams } = measurements;
  const faults = [...directions.flatMap(speechFaults), ...datagramFaults(datagrams)];
  if (directions.length !== 2) faults.push(`${directions.length} directions were measured instead of 2`);
  return { ...measurements, passed: faults.length === 0, faults, directory };
}

function speechFaults({ from, to, score, controlPeak }: Direction): string[] {
  const faults: string[] = [];
  const way = `${to} did not hear ${from}`;
  if (!(score.peak >= LEAST_PEAK)) {
    faults.push(`${way}: correlation ${score.peak.toFixed(2)}, at least ${LEAST_PEAK} is needed`);
  }
  if (!(score.peak - controlPeak >= LEAST_LEAD)) {
    const other = controlPeak.toFixed(2);
    faults.push(
      `${way}: correlation ${score.peak.toFixed(2)} is too close to that of other speech, ${other}`,
    );
  }
  if (score.pesqWb === null || !(score.pesqWb >= LEAST_PESQ)) {
    const quality = score.pesqWb?.toFixed(2) ?? 'none';
    faults.push(`${to} could not understand ${from}: PESQ-WB ${quality}, at least ${LEAST_PESQ} is needed`);
  }
  return faults;
}

function datagramFaults(datagrams: DatagramSizes): string[] {
  const faults: string[] = [];
  const sizes = Object.keys(datagrams[KX_PORT] ?? {});
  if (sizes.length !== 1 || sizes[0] !== String(KX_DATAGRAM)) {
    const seen = sizes.length === 0 ? 'none' : sizes.join(', ');
    faults.push(`KX datagrams must all have ${KX_DATAGRAM} bytes; sizes seen: ${seen}`);
  }
  const strange = Object.keys(datagrams).filter((port) => ![KX_PORT, DHT_PORT].includes(Number(port)));
  if (strange.length > 0)
    faults.push(`UDP that is neither DHT nor KX crossed the network: port ${strange.join(', ')}`);
  return faults;
}
