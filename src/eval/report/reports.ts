/** Role: writes what stands beside results.json. Not here: the results (scenario/evaluation.ts), what is in the files. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { csvOf } from './csv.js';
import { htmlOf } from './html.js';
import type { Results } from './results.js';

export async function writeReports(results: Results, directory: string): Promise<void> {
  writeFileSync(join(directory, 'calls.csv'), csvOf(results));
  writeFileSync(join(directory, 'report.html'), await htmlOf(results));
}
