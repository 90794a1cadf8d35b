/**
 * Role: `npm run goals -- AREA [NUMBER]`: measures goals of the project and says which are reached.
 *
 * Invariants: results go to standard output, one line a goal; exit code 0 only if all that were asked for are reached,
 * 1 if one falls short, 2 for wrong usage.
 *
 * Not here: the goals (registry.ts).
 */

import { parseArgs } from 'node:util';
import { PeerError } from '../../errors.js';
import { endCommands } from './command.js';
import { formatOutcome, type Goal, goalName, type Outcome } from './goal.js';
import { GOALS, selectGoals } from './registry.js';

const USAGE = `usage: npm run goals                               lists all goals
       npm run goals -- [--json] AREA [NUMBER]     measures those of an area, or one
`;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

async function main(args: readonly string[]): Promise<number> {
  const { positionals, values } = parse(args);
  const [area, number, ...rest] = positionals;
  if (rest.length > 0) throw new PeerError('usage', `too many arguments: ${rest.join(' ')}`);
  if (area === undefined) {
    process.stdout.write(values.json ? `${JSON.stringify(GOALS)}\n` : listing());
    return 0;
  }
  let reached = true;
  for (const goal of selectGoals(GOALS, area, number)) {
    const outcome = await measure(goal);
    reached &&= outcome.passed;
    const { title, sampleSize } = goal;
    const record = { area: goal.area, number: goal.number, title, sampleSize, ...outcome };
    process.stdout.write(`${values.json ? JSON.stringify(record) : formatOutcome(goal, outcome)}\n`);
  }
  return reached ? 0 : 1;
}

function parse(args: readonly string[]) {
  try {
    const options = { json: { type: 'boolean', default: false } } as const;
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new PeerError('usage', (cause as Error).message, { cause });
  }
}

function listing(): string {
  return GOALS.map((goal) => `${goalName(goal)}  ${goal.title} [${goal.sampleSize}]\n`).join('');
}

/** A goal that cannot be measured is not reached. */
function measure(goal: Goal): Promise<Outcome> {
  const tell = (text: string) => process.stderr.write(`${goalName(goal)}: ${text}\n`);
  return goal.run(tell).catch((error: unknown) => {
    const figure = error instanceof Error ? error.message : String(error);
    return { passed: false, figure: `cannot be measured: ${figure}` };
  });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    endCommands();
    process.exit(EXIT_INTERRUPTED);
  });
}
process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  const isUsage = error instanceof PeerError && error.code === 'usage';
  process.stderr.write(`goals: ${error instanceof Error ? error.message : String(error)}\n`);
  if (isUsage) process.stderr.write(USAGE);
  return isUsage ? EXIT_USAGE : 1;
});
