/**
 * Role: `npm run demo`: a telephone call between two people on a network of real peers, measured.
 *
 * Invariants: exit code 0 only if speech arrived in both directions and KX datagrams have one size; whatever ends it,
 * nothing that it started is left.
 *
 * Not here: the course of the call (run.ts).
 */

import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { Keepsake } from './keepsake.js';
import { requireTools } from './lab.js';
import { type DemoOptions, parseOptions, USAGE } from './options.js';
import { Progress } from './progress.js';
import { formatSummary } from './report.js';
import { runDemo } from './run.js';
import { judge } from './summary.js';

const EXIT_USAGE = 2;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const inside = sandboxDirectory();
  if (inside !== null) return demonstrate(inside, options);
  requireTools();
  return runInSandbox(fileURLToPath(import.meta.url), args);
}

async function demonstrate(directory: string, options: DemoOptions): Promise<number> {
  const messages = options.json ? process.stderr : process.stdout;
  const progress = new Progress(messages);
  prepareInside(() => progress.step('interrupted: everything is taken down'));
  progress.step('a network, processes and files apart from the rest of this machine');
  const keepsake = new Keepsake();
  try {
    const measurements = await runDemo({ directory, peers: options.peers, progress, keepsake });
    const summary = judge(measurements, keepsake.directory);
    const json = `${JSON.stringify(summary, null, 2)}\n`;
    keepsake.keepText(json, 'summary.json');
    process.stdout.write(options.json ? json : formatSummary(summary));
    return summary.passed ? 0 : 1;
  } catch (error) {
    process.stderr.write(`\nFAILED\n`);
    return explain(error);
  } finally {
    messages.write(`logs: ${keepsake.keepLogs(directory)}\n`);
  }
}

function explain(error: unknown): number {
  const known = error instanceof PeerError;
  const message = known ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`demo: ${message}\n`);
  if (known && error.remedy !== undefined) process.stderr.write(`  ${error.remedy}\n`);
  if (known && error.code === 'usage') process.stderr.write(`\n${USAGE}`);
  return known && error.code === 'usage' ? EXIT_USAGE : 1;
}

// What still runs inside the sandbox ends with this process.
process.exit(await main(process.argv.slice(2)).catch(explain));
