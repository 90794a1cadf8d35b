/** Role: `peer eval report`: draws the report of an evaluation anew. Not here: what is in it (src/eval/report). */

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, Option } from 'clipanion';
import { PeerCommand } from './command.js';

export class EvalReportCommand extends PeerCommand {
  static override paths = [['eval', 'report']];
  static override usage = Command.Usage({
    category: 'Evaluation',
    description: 'draw the report of an evaluation from its results.json',
    details: 'Also of one that goes on, or was killed: results.json has all trials that are over.',
    examples: [['While it runs', '$0 eval report eval-out/latency-2026-01-01T00-00-00']],
  });

  results = Option.String({ name: 'DIR' });

  override async perform(): Promise<undefined> {
    const [{ readResults }, { summarise }, { textOf }, { writeReports }] = await Promise.all([
      import('../eval/report/results.js'),
      import('../eval/report/summary.js'),
      import('../eval/report/text.js'),
      import('../eval/report/reports.js'),
    ]);
    const results = readResults(this.results);
    const directory = statSync(this.results).isDirectory() ? this.results : dirname(this.results);
    await writeReports(results, directory);
    const summary = summarise(results);
    const report = join(directory, 'report.html');
    this.print({ report, faults: summary.faults }, `${textOf(summary)}\nreport: ${report}`);
    return undefined;
  }
}
