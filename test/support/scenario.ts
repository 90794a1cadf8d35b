/**
 * Role: runs a scenario, a script that needs a sandbox, and brings back its results.
 *
 * Not here: any scenario (test/e2e).
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInSandbox } from '../../src/eval/sandbox.js';

/**
 * Runs the compiled script at `url` with the path of a file into which it writes its results as JSON.
 * A scenario that could not go on leaves `failure` among them, and that is thrown with all the rest.
 */
// biome-ignore lint/suspicious/noExplicitAny: each scenario has results of its own.
export async function runScenario(url: URL): Promise<any> {
  const directory = mkdtempSync(join(tmpdir(), 'peer-e2e-'));
  try {
    await runInSandbox(fileURLToPath(url), [join(directory, 'results.json')]);
    const results = JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8'));
    if (results.failure !== undefined) throw new Error(Object.entries(results).flat().join('\n'));
    return results;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
