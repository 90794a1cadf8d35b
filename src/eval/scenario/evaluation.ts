/**
 * Role: an evaluation: a trial for each point and repetition of a scenario file, and its results in a directory.
 *
 * Invariants: results.json is whole and has all trials that are over, at any time; whatever ends this, nothing that it started is left.
 *
 * Not here: a trial (trial.ts), reports (report/).
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import { requireTools } from '../demo/lab.js';
import { labBinary } from '../lab-program.js';
import { requireMininet } from '../mininet/mininet-hosts.js';
import { readMachine, readVersions } from '../report/machine.js';
import { RESULTS_FILE, RESULTS_FORMAT, type Results, type Trial } from '../report/results.js';
import { describe } from '../report/summary.js';
import { runInSandbox } from '../sandbox.js';
import type { Environment } from './environment.js';
import type { ScenarioFile, ScenarioPoint } from './scenario-file.js';
import type { Job, TrialOutcome } from './trial.js';
import { writeHostkeys } from './trial-hostkeys.js';

const TRIAL = fileURLToPath(new URL('./trial.js', import.meta.url));
const EXIT_INTERRUPTED = 130;
/** Seeds of trials are this far apart: one's links draw other numbers than another's. */
const SEED_STEP = 1_000_003;

export interface EvaluationOptions {
  readonly scenarioFile: ScenarioFile;
  readonly environment: Environment;
  /** Is made; must not hold results. */
  readonly directory: string;
  /** Whether trials tell nothing themselves. */
  readonly isQuiet: boolean;
  readonly tell: (text: string) => void;
}

/** Errors: 'output', 'tool-missing', 'sandbox', each with a remedy. What goes wrong within a trial is in its results. */
export async function evaluate(options: EvaluationOptions): Promise<Results> {
  const { scenarioFile, environment, directory, tell } = options;
  const version = environment === 'mininet' ? ` ${requireMininet().version}` : '';
  requireTools();
  if (!existsSync(labBinary('peer-wan')))
    throw new PeerError('tool-missing', `${labBinary('peer-wan')} is missing`, {
      remedy: 'Build it with: scripts/setup',
    });
  prepare(directory);
  const jobs = jobsOf(scenarioFile);
  let results = emptyResults(scenarioFile, `${environment}${version}`);
  write(directory, results);
  const begunMs = performance.now();
  for (const [index, { point, repetition, seed }] of jobs.entries()) {
    const leftSeconds = ((performance.now() - begunMs) / 1_000 / index) * (jobs.length - index);
    const left = index === 0 ? '' : `; about ${Math.ceil(leftSeconds / 60)} min left`;
    tell(
      `trial ${index + 1} of ${jobs.length}: ${describe(point.values)}, repetition ${repetition + 1}${left}`,
    );
    const keepIn = join(directory, `trial-${index + 1}`);
    const { isQuiet } = options;
    const outcome = await runTrial({ environment, scenario: point.scenario, seed, isQuiet, keepIn });
    if (outcome === null) {
      results = { ...results, state: 'interrupted' };
      break;
    }
    if (outcome.failure !== undefined) tell(`the trial failed: ${outcome.failure}; logs: ${keepIn}`);
    const trial: Trial = { values: point.values, repetition, seed, ...outcome };
    results = { ...results, trials: [...results.trials, trial] };
    write(directory, results);
  }
  write(directory, results);
  return results;
}

interface PlannedTrial {
  readonly point: ScenarioPoint;
  readonly repetition: number;
  readonly seed: number;
}

/** All points once, then again: what changes on the machine meanwhile meets all of them. */
function jobsOf({ points }: ScenarioFile): PlannedTrial[] {
  const [{ scenario }] = points;
  const rounds = Array.from({ length: scenario.repetitions }, (_, repetition) =>
    // A repetition has one seed for all points: they differ by their parameters alone.
    points.map((point) => ({ point, repetition, seed: scenario.seed + repetition * SEED_STEP })),
  );
  return rounds.flat();
}

/** Null: interrupted. Errors: 'sandbox'. */
async function runTrial(wanted: Omit<Job, 'hostkeys'>): Promise<TrialOutcome | null> {
  const below = mkdtempSync(join(tmpdir(), 'peer-eval-'));
  try {
    const [jobFile, resultFile] = [join(below, 'job.json'), join(below, 'result.json')];
    const peers = Object.values(wanted.scenario.regions).reduce((sum, region) => sum + region.peers, 0);
    const job: Job = { ...wanted, hostkeys: await writeHostkeys(below, peers, wanted.seed) };
    writeFileSync(jobFile, JSON.stringify(job));
    const code = await runInSandbox(TRIAL, [jobFile, resultFile]);
    if (code === EXIT_INTERRUPTED) return null;
    if (existsSync(resultFile)) return JSON.parse(readFileSync(resultFile, 'utf8')) as TrialOutcome;
    const failure = `the trial ended with ${code} and without results`;
    return { seconds: 0, failure, calls: [], peers: [], emulator: null };
  } finally {
    rmSync(below, { recursive: true });
  }
}

function prepare(directory: string): void {
  if (existsSync(join(directory, RESULTS_FILE)))
    throw new PeerError('output', `${directory} has results already`, {
      remedy: 'give another directory by --out',
    });
  try {
    mkdirSync(directory, { recursive: true });
  } catch (cause) {
    throw new PeerError('output', `${directory} cannot be made: ${(cause as Error).message}`, {
      cause,
      remedy: 'give another directory by --out',
    });
  }
}

function emptyResults({ file, text, swept, points }: ScenarioFile, environment: string): Results {
  const [{ scenario }] = points;
  const { description, seed, thresholds } = scenario;
  return {
    format: RESULTS_FORMAT,
    begun: new Date().toISOString(),
    state: 'complete',
    environment,
    scenario: { file, text, description, seed, swept, thresholds },
    versions: readVersions(),
    machine: readMachine(),
    trials: [],
  };
}

/** Replaces the file as a whole. */
function write(directory: string, results: Results): void {
  const file = join(directory, RESULTS_FILE);
  writeFileSync(`${file}.new`, `${JSON.stringify(results)}\n`);
  renameSync(`${file}.new`, file);
}
