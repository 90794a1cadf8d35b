/** Role: `peer eval run`: runs a scenario file and reports. Not here: the scenario, the trials, the report (src/eval). */

import { basename, join, resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { PeerCommand } from './command.js';

const EXIT_INTERRUPTED = 130;

export class EvalRunCommand extends PeerCommand {
  static override paths = [['eval', 'run']];
  static override usage = Command.Usage({
    category: 'Evaluation',
    description: 'run a scenario: a network of real peers, calls, what was measured',
    details: `
      Peers run in network namespaces of their own, joined by emulated links, with sound servers of their own. It needs root, or a system where users
      may make namespaces and open /dev/net/tun. With --environment mininet each is a mininet host; docs/evaluation.md has more. The directory gets results.json (all that was measured), calls.csv and report.html.

      Exit code: 0 all thresholds of the scenario hold, 1 something does not, 130 interrupted; what was measured before is kept.
    `,
    examples: [
      ['A minute and a half', '$0 eval run config/scenarios/smoke.toml'],
      ['On mininet hosts', '$0 eval run config/scenarios/smoke.toml --environment mininet'],
      ['Into a directory of your choice', '$0 eval run latency.toml --out results/latency'],
    ],
  });

  file = Option.String({ name: 'FILE' });
  out = Option.String('--out', {
    description: 'directory for the results; default: eval-out/<scenario>-<time>',
  });

  environment = Option.String('--environment', 'netns', {
    description: 'netns or mininet: what makes the hosts; netns if not given',
  });

  override async perform(): Promise<number> {
    const [
      { ENVIRONMENTS },
      { loadScenarioFile },
      { evaluate },
      { summarise },
      { textOf },
      { writeReports },
    ] = await Promise.all([
      import('../eval/scenario/environment.js'),
      import('../eval/scenario/scenario-file.js'),
      import('../eval/scenario/evaluation.js'),
      import('../eval/report/summary.js'),
      import('../eval/report/text.js'),
      import('../eval/report/reports.js'),
    ]);
    const environment = ENVIRONMENTS.find((name) => name === this.environment);
    if (environment === undefined)
      throw new PeerError('arguments', `--environment must be ${ENVIRONMENTS.join(' or ')}`);
    const scenarioFile = loadScenarioFile(this.file);
    const directory = resolve(this.out ?? defaultDirectory(this.file));
    const results = await evaluate({
      ...{ scenarioFile, environment, directory, isQuiet: this.json },
      tell: (text) => this.progress(text),
    });
    await writeReports(results, directory);
    const summary = summarise(results);
    const { points, faults } = summary;
    const told = points.map(({ values, measures }) => ({
      values,
      measures: Object.fromEntries(measures.map(({ measure, statistics }) => [measure.name, statistics])),
    }));
    const passed = faults.length === 0;
    this.print(
      { directory, environment: results.environment, passed, faults, points: told },
      `${textOf(summary)}\nenvironment: ${results.environment}\nreport: ${join(directory, 'report.html')}`,
    );
    if (results.state === 'interrupted') return EXIT_INTERRUPTED;
    return passed ? 0 : 1;
  }
}

function defaultDirectory(file: string): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  return join('eval-out', `${basename(file).replace(/\.[^.]*$/, '')}-${time}`);
}
