/**
 * Role: what an evaluation has measured: the content of results.json.
 *
 * Invariants: nothing in it is computed from other parts of it; times are milliseconds or seconds as named.
 *
 * Not here: what follows from it (measures.ts, statistics.ts).
 */

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { PeerError } from '../../errors.js';

/** Rises when older results can be read no more. */
export const RESULTS_FORMAT = 1;
export const RESULTS_FILE = 'results.json';

/** The voice statistics of a side at some moment, counted since the call's beginning. */
export interface VoiceSample {
  readonly atSeconds: number;
  readonly received: number;
  readonly lost: number;
  readonly late: number;
  readonly concealed: number;
  readonly jitterMs: number;
  readonly bufferMs: number;
}

/** Some sentences of one person as the other one heard them. */
export interface Spell {
  /** When both had spoken, since the call was answered. */
  readonly atSeconds: number;
  /** Mouth to ear, of all pieces of one second in which somebody speaks; none where the speech was not found in what was heard. */
  readonly delaysMs: readonly number[];
  /** PESQ-WB, 1 to 4.64; 1 where the speech was not found. */
  readonly pesq: number;
}

/** One way of a call; `voice` is counted where it is heard. */
export interface CallWay {
  readonly from: string;
  readonly to: string;
  readonly spells: readonly Spell[];
  readonly voice: readonly VoiceSample[];
}

export interface CallRecord {
  /** From 0, of those who call at the same time, and of the calls of this pair. */
  readonly pair: number;
  readonly number: number;
  readonly caller: string;
  readonly callee: string;
  /** States that the caller saw, with the time since dialling. */
  readonly steps: readonly { readonly state: string; readonly afterMs: number }[];
  readonly ringingAfterMs: number | null;
  readonly roundTripMs: number | null;
  /** Why there was no call to its end. */
  readonly failure?: string;
  readonly ways: readonly CallWay[];
}

/** While calls were made; null where one of the peer's processes did not last so long. */
export interface PeerLoad {
  readonly peer: string;
  readonly region: string;
  readonly role: 'caller' | 'callee' | 'relay';
  /** Processor time of all its processes as part of one core. */
  readonly cpuPercent: number | null;
  readonly sentKbps: number;
  readonly receivedKbps: number;
}

/** What the emulated links were beside what they should have been. */
export type EmulatorCheck = PeerWanCheck | NetemCheck;

export interface NetemCheck {
  /** Links by the kernel's netem, which tells nothing of itself. */
  readonly by: 'netem';
  /** Echoes between a caller and its callee before any call, without tunnels: what was wanted in the mean, and came; null: lost. */
  readonly echoes: { readonly wantedMs: number; readonly roundTripsMs: readonly (number | null)[] };
}

export interface PeerWanCheck extends Pick<NetemCheck, 'echoes'> {
  /** Absent in older results. */
  readonly by?: 'peer-wan';
  /** How much later than intended packets came out of it, in microseconds. */
  readonly lateUs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly offered: number;
  /** As was wanted. */
  readonly lost: number;
  readonly queueFull: number;
  /** What the emulator itself dropped. */
  readonly failed: number;
  /** Whether it was woken before ordinary programs. */
  readonly realtime: boolean;
}

/** A network from its first peer to its end. */
export interface Trial {
  /** Values of the swept parameters. */
  readonly values: Readonly<Record<string, string | number | boolean>>;
  /** From 0. */
  readonly repetition: number;
  readonly seed: number;
  readonly seconds: number;
  /** Why there is nothing else. */
  readonly failure?: string;
  readonly calls: readonly CallRecord[];
  readonly peers: readonly PeerLoad[];
  readonly emulator: EmulatorCheck | null;
}

export interface Machine {
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
}

export interface Results {
  readonly format: typeof RESULTS_FORMAT;
  /** Date and time in UTC, ISO 8601. */
  readonly begun: string;
  readonly state: 'complete' | 'interrupted';
  /** What the hosts were: `netns`, or `mininet` and its version. Absent in older results, which are of `netns`. */
  readonly environment?: string;
  readonly scenario: {
    readonly file: string;
    readonly text: string;
    readonly description: string;
    readonly seed: number;
    readonly swept: readonly string[];
    readonly thresholds: readonly {
      readonly measure: string;
      readonly statistic: 'mean' | 'median' | 'p95' | 'min' | 'max';
      readonly most?: number | undefined;
      readonly least?: number | undefined;
    }[];
  };
  /** `peer` with the commit where it is known. */
  readonly versions: { readonly peer: string; readonly node: string };
  readonly machine: Machine;
  readonly trials: readonly Trial[];
}

/** What the hosts were, also in older results. */
export function environmentOf({ environment = 'netns' }: Results): string {
  return environment;
}

/** Of what else is in it this program is the only writer. */
const recognised = v.looseObject({
  format: v.literal(RESULTS_FORMAT),
  scenario: v.looseObject({ swept: v.array(v.string()), thresholds: v.array(v.looseObject({})) }),
  versions: v.looseObject({}),
  machine: v.looseObject({}),
  trials: v.array(v.looseObject({ values: v.looseObject({}), calls: v.array(v.looseObject({})) })),
});

/** Reads the results that stand in a file, or in the directory of an evaluation. Errors: 'results'. */
export function readResults(path: string): Results {
  let value: unknown;
  try {
    const file = statSync(path).isDirectory() ? join(path, RESULTS_FILE) : path;
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new PeerError('results', `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
      remedy: `give a directory that peer eval run has made, or its ${RESULTS_FILE}`,
    });
  }
  if (v.is(recognised, value)) return value as unknown as Results;
  throw new PeerError('results', `${path} has no results of this version of peer eval run`, {
    remedy: 'run the scenario again with this version',
  });
}
