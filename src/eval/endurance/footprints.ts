/**
 * Role: looks at what processes take, again and again: resident memory, open descriptors.
 *
 * Not here: which processes (main.ts), how much they may take (goals/voip-endurance.ts).
 */

import { readdir, readFile } from 'node:fs/promises';
import { median } from '../quantile.js';
import type { Footprint } from './results.js';

/** Parts of the whole time: what is called early, when caches are warm, and late. */
const EARLY = [1 / 6, 1 / 3] as const;
const LATE = [5 / 6, 1] as const;

interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly megabytes: { readonly atMs: number; readonly value: number }[];
  readonly descriptorsBefore: number;
}

export class Footprints {
  readonly #watched: Watched[] = [];
  readonly #begunMs = performance.now();

  /** Takes a process into the watch, and counts its descriptors. */
  async add(name: string, pid: number): Promise<void> {
    this.#watched.push({ name, pid, megabytes: [], descriptorsBefore: await descriptors(pid) });
  }

  /** Looks at all. Errors: that of the system, where one of them is gone. */
  async look(): Promise<void> {
    const atMs = performance.now() - this.#begunMs;
    for (const { pid, megabytes } of this.#watched) megabytes.push({ atMs, value: await resident(pid) });
  }

  /** Whether no process has more descriptors than at the beginning. */
  async isAsBefore(): Promise<boolean> {
    const now = await Promise.all(this.#watched.map(({ pid }) => descriptors(pid)));
    return this.#watched.every(({ descriptorsBefore }, index) => (now[index] as number) <= descriptorsBefore);
  }

  async results(): Promise<Footprint[]> {
    const wholeMs = performance.now() - this.#begunMs;
    return Promise.all(
      this.#watched.map(async ({ name, pid, megabytes, descriptorsBefore }) => {
        const within = ([from, to]: readonly [number, number]) =>
          median(
            megabytes
              .filter(({ atMs }) => atMs >= from * wholeMs && atMs <= to * wholeMs)
              .map(({ value }) => value),
          );
        return {
          process: name,
          earlyMegabytes: within(EARLY),
          lateMegabytes: within(LATE),
          descriptorsBefore,
          descriptorsAfter: await descriptors(pid),
        };
      }),
    );
  }
}

async function descriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_000;
}
