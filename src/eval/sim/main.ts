/**
 * Role: `npm run sim:dht -- SCENARIO [--nodes N] [--seed S] [--json]`: runs one scenario of the simulator.
 *
 * Invariants: figures go to standard output, what goes on to standard error; exit code 0 if the scenario ran to its
 * end, 2 for wrong usage. Whether the figures are good enough is for the goals to say.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { PeerError } from '../../errors.js';
import type { Figures, Scenario } from './scenario.js';
import { findScenario, SCENARIOS } from './scenarios.js';

const EXIT_USAGE = 2;

function usage(): string {
  const lines = SCENARIOS.map(({ name, summary, defaults }) => {
    const options = Object.entries(defaults).map(([option, value]) => `--${option} ${value}`);
    return `  ${name}: ${summary}\n      ${options.join(' ')}\n`;
  });
  return `usage: npm run sim:dht -- SCENARIO [--seed S] [--json] [--PARAMETER NUMBER …]\n${lines.join('')}`;
}

interface Request {
  readonly scenario: Scenario;
  readonly parameters: Record<string, number>;
  readonly seed: string;
  readonly json: boolean;
}

/** Errors: 'usage'. */
function parse(args: readonly string[]): Request {
  const scenario = findScenario(args[0]?.startsWith('-') ? undefined : args[0]);
  const names = Object.keys(scenario.defaults);
  const numbers = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const options = { ...numbers, seed: { type: 'string' as const }, json: { type: 'boolean' as const } };
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({ args: args.slice(1), options }).values;
  } catch (cause) {
    throw new PeerError('usage', (cause as Error).message, { cause });
  }
  const given = names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]] as const]));
  const parameters = given.map(([name, text]) => {
    const value = Number(text);
    if (text === '' || !Number.isFinite(value) || value < 0) {
      throw new PeerError('usage', `--${name} is a number of at least 0, not ${text}`);
    }
    return [name, value];
  });
  return {
    scenario,
    parameters: Object.fromEntries(parameters),
    seed: typeof values.seed === 'string' ? values.seed : '1',
    json: values.json === true,
  };
}

async function main(args: readonly string[]): Promise<number> {
  const { scenario, parameters, seed, json } = parse(args);
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(0);
  const tell = (text: string) => process.stderr.write(`${scenario.name} ${seconds()} s: ${text}\n`);
  const figures: Figures = {
    scenario: scenario.name,
    seed,
    cryptography: 'stand-in of equal sizes',
    ...(await scenario.run(parameters, seed, tell)),
    'machine.seconds': Number(seconds()),
    'machine.heapMegabytes': Math.round(process.memoryUsage().heapTotal / 1e6),
  };
  if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name}: ${value}\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  const isUsage = error instanceof PeerError && error.code === 'usage';
  process.stderr.write(
    `sim: ${isUsage ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  if (isUsage) process.stderr.write(usage());
  return isUsage ? EXIT_USAGE : 1;
});
