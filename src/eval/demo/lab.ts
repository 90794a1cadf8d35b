/**
 * Role: the tools that the demo needs: those of `peer-lab`, and a check that all programs are there.
 *
 * Invariants: a tool that fails is an error that says what it printed.
 *
 * Not here: what is measured with them (run.ts), how they measure (crates/lab).
 */

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PeerError } from '../../errors.js';

export const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const LAB = join(process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target'), 'release/peer-lab');
const START_MS = 10_000;
const END_MS = 30_000;
const POLL_MS = 20;

/** As `peer-lab score` prints it, in our spelling; see crates/lab/src/score.rs. */
export interface Score {
  readonly delayMs: number;
  readonly delayRangeMs: readonly [number, number];
  /** Those of all pieces of one second, the smallest first. */
  readonly delaysMs: readonly number[];
  readonly peak: number;
  readonly secondPeak: number;
  readonly waveformPeak: number;
  readonly gainDb: number;
  readonly pesqWb: number | null;
}

/** How often each payload size was seen, by destination port. */
export type DatagramSizes = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface RecordedSource {
  readonly server: string;
  readonly device: string;
  readonly file: string;
}

/** Errors: 'tool-missing', with a remedy. */
export function requireTools(): void {
  const missing = [
    ['espeak-ng', 'espeak-ng'],
    ['pulseaudio', 'pulseaudio'],
    ['pactl', 'pulseaudio-utils'],
    ['paplay', 'pulseaudio-utils'],
    ['parec', 'pulseaudio-utils'],
  ].filter(([program = '']) => spawnSync(program, ['--version']).error !== undefined);
  if (missing.length > 0) {
    const programs = missing.map(([program]) => program).join(', ');
    const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
    throw new PeerError('tool-missing', `programs are missing: ${programs}`, {
      remedy: `Install the Debian packages: apt-get install ${packages}`,
    });
  }
  if (!existsSync(LAB)) {
    throw new PeerError('tool-missing', `${LAB} is missing`, { remedy: 'Build it with: scripts/setup' });
  }
}

/** Compares what was heard with what was said. Errors: 'score'. */
export async function score(said: string, heard: string): Promise<Score> {
  const { stdout } = await promisify(execFile)(LAB, ['score', said, heard]).catch((cause) => {
    throw new PeerError('score', `${heard} cannot be scored: ${cause.stderr ?? cause.message}`.trim(), {
      cause,
    });
  });
  const found = JSON.parse(stdout);
  return {
    delayMs: found.delay_ms,
    delayRangeMs: found.delay_range_ms,
    delaysMs: found.delays_ms,
    peak: found.peak,
    secondPeak: found.second_peak,
    waveformPeak: found.waveform_peak,
    gainDb: found.gain_db,
    pesqWb: found.pesq_wb,
  };
}

/** A tool that works until it is told to finish. */
export class LabTask {
  readonly #what: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string | null>;
  #errors = '';

  private constructor(what: string, args: readonly string[]) {
    this.#what = what;
    this.#child = spawn(LAB, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('close', (code, signal) =>
        resolve(code === 0 ? null : `ended with ${signal ?? code}`),
      );
    });
  }

  /** Records sources of several sound servers on one time scale; the files are there after `finish`. */
  static record(sources: readonly RecordedSource[]): LabTask {
    const given = sources.flatMap(({ server, device, file }) => ['--source', `${server},${device},${file}`]);
    return new LabTask('recording', ['record', ...given]);
  }

  /** Counts datagrams from the moment on that this resolves. */
  static async countDatagrams(networkInterface: string, file: string): Promise<LabTask> {
    const task = new LabTask('packet capture', [
      'packets',
      '--interface',
      networkInterface,
      '--output',
      file,
    ]);
    const end = performance.now() + START_MS;
    while (!existsSync(file)) {
      const fault = await Promise.race([
        task.#ended,
        new Promise<null>((resolve) => setTimeout(resolve, POLL_MS, null)),
      ]);
      if (fault !== null || performance.now() > end) throw task.#failure(fault ?? 'does not begin');
    }
    return task;
  }

  /** Errors: 'lab'. */
  async finish(): Promise<void> {
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    const fault = await this.#ended;
    clearTimeout(late);
    if (fault !== null) throw this.#failure(fault);
  }

  #failure(fault: string): PeerError {
    return new PeerError('lab', `${this.#what}: ${fault} ${this.#errors}`.trim());
  }
}

export async function readDatagramSizes(file: string): Promise<DatagramSizes> {
  return JSON.parse(await readFile(file, 'utf8'));
}
