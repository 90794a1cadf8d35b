/**
 * Role: a scenario file: a scenario, and parameters that take several values in turn (`[sweep]`).
 *
 *   [sweep]
 *   "link.delayMs" = [0, 20, 50]      names a parameter by the path of its table
 *
 * Invariants: all points of the sweep are checked before the first one is run; all that is wrong is told at once, with the line
 * of the file where it has one.
 *
 * Not here: what a scenario may say (scenario.ts).
 */

import { readFileSync } from 'node:fs';
import { PeerError } from '../../errors.js';
import { parseScenario, type Scenario } from './scenario.js';
import { type Path, parseTomlSource, type TomlSource } from './toml-source.js';

const MOST_POINTS = 1_000;

export type SweptValue = string | number | boolean;

export interface ScenarioPoint {
  /** Values of the swept parameters, by their paths; empty without a sweep. */
  readonly values: Readonly<Record<string, SweptValue>>;
  readonly scenario: Scenario;
}

export interface ScenarioFile {
  readonly file: string;
  readonly text: string;
  /** Swept parameters, in the order of the file; the last one changes fastest. */
  readonly swept: readonly string[];
  /** At least one. */
  readonly points: readonly [ScenarioPoint, ...ScenarioPoint[]];
}

/** Errors: 'scenario', with a line for each mistake. */
export function loadScenarioFile(file: string): ScenarioFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PeerError('scenario', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
      remedy: 'give the path of a scenario file; config/scenarios has examples',
    });
  }
  return parseScenarioFile(text, file);
}

/** As {@link loadScenarioFile} for a text that is at hand. */
export function parseScenarioFile(text: string, file: string): ScenarioFile {
  const source = parseTomlSource(text, file);
  const { sweep, ...base } = source.value;
  const mistakes = new Set<string>();
  const mistake = (path: Path, what: string) => {
    const line = source.lineOf(path);
    const where = line === null ? file : `${file}:${line}`;
    mistakes.add(`${where}: ${path.length === 0 ? '' : `${path.join('.')}: `}${what}`);
  };
  const choices = choicesOf(sweep, mistake);
  const points: ScenarioPoint[] = [];
  for (const values of combinations(choices)) {
    const scenario = parseScenario(withValues(base, values));
    if ('regions' in scenario) points.push({ values, scenario });
    else for (const fault of scenario) mistake(placeOf(fault.path, values, source), fault.text);
  }
  const [first, ...rest] = points;
  if (mistakes.size > 0 || first === undefined) {
    throw new PeerError('scenario', [...mistakes].join('\n'), {
      remedy: 'docs/evaluation.md says what a scenario may say; config/scenarios has examples',
    });
  }
  return { file, text, swept: choices.map(([path]) => path), points: [first, ...rest] };
}

type Choices = readonly (readonly [path: string, values: readonly SweptValue[]])[];

function choicesOf(sweep: unknown, mistake: (path: Path, what: string) => void): Choices {
  if (sweep === undefined) return [];
  if (typeof sweep !== 'object' || sweep === null || Array.isArray(sweep)) {
    mistake(['sweep'], 'expected a table');
    return [];
  }
  const choices: [string, SweptValue[]][] = [];
  for (const [path, values] of Object.entries(sweep)) {
    const isPath = path.split('.').every((name) => /^[a-z][\w-]*$/i.test(name));
    const isFit = isPath && Array.isArray(values) && values.length > 0 && values.every(isSweptValue);
    if (!isFit)
      mistake(
        ['sweep', path],
        'expected a list of values, and the path of the parameter in quotes, as in "link.delayMs"',
      );
    else if (new Set(values).size < values.length) mistake(['sweep', path], 'a value stands there twice');
    else if (/^(seed|repetitions|description|thresholds)\b/.test(path))
      mistake(['sweep', path], 'this is the same for all points');
    else choices.push([path, values]);
  }
  const count = choices.reduce((product, [, values]) => product * values.length, 1);
  if (count <= MOST_POINTS) return choices;
  mistake(['sweep'], `expected at most ${MOST_POINTS} combinations, found ${count}`);
  return [];
}

function isSweptValue(value: unknown): value is SweptValue {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** Each value of each parameter with each of the others. */
function combinations(choices: Choices): Record<string, SweptValue>[] {
  return choices.reduce<Record<string, SweptValue>[]>(
    (all, [path, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [path]: value }))),
    [{}],
  );
}

/** A copy with values at their paths; tables that are missing on the way are made. */
function withValues(base: unknown, values: Readonly<Record<string, SweptValue>>): unknown {
  const copy = structuredClone(base) as Record<string, unknown>;
  for (const [path, value] of Object.entries(values)) {
    const names = path.split('.');
    const last = names.pop() as string;
    let table = copy;
    for (const name of names) {
      if (typeof table[name] !== 'object' || table[name] === null) table[name] = {};
      table = table[name] as Record<string, unknown>;
    }
    table[last] = value;
  }
  return copy;
}

/** Where a mistake is for whoever wrote the file: in the sweep, where the value comes from there. */
function placeOf(path: Path, values: Readonly<Record<string, SweptValue>>, source: TomlSource): Path {
  const named = path.join('.');
  const swept = Object.keys(values).find(
    (one) => named === one || (one.startsWith(`${named}.`) && source.lineOf(path) === null),
  );
  return swept === undefined ? path : ['sweep', swept];
}
