/** Role: `peer eval compare`: two evaluations side by side. Not here: the comparison (src/eval/report/comparison.ts). */

import { Command, Option } from 'clipanion';
import type { MeasureComparison } from '../eval/report/comparison.js';
import { PeerCommand } from './command.js';

const WORDS = { better: 'better', worse: 'worse', other: 'differs', same: '', unknown: 'too few' } as const;

export class EvalCompareCommand extends PeerCommand {
  static override paths = [['eval', 'compare']];
  static override usage = Command.Usage({
    category: 'Evaluation',
    description: 'compare what two evaluations have measured',
    details: `
      Each is the directory of an evaluation or its results.json. Differences are of means, the second less the first, with intervals of 95 % by
      the networks of each (repetitions); those that have no 0 in them are told as better or worse. With many measures, one in twenty is so by chance.
    `,
    examples: [['Before and after', '$0 eval compare eval-out/before eval-out/after']],
  });

  one = Option.String({ name: 'A' });
  other = Option.String({ name: 'B' });

  override async perform(): Promise<undefined> {
    const [{ readResults }, { compareResults }, { describe }, { short }] = await Promise.all([
      import('../eval/report/results.js'),
      import('../eval/report/comparison.js'),
      import('../eval/report/summary.js'),
      import('../eval/report/text.js'),
    ]);
    const comparison = compareResults(readResults(this.one), readResults(this.other));
    const { points, alone, remarks } = comparison;
    const row = ({ measure, one, other, difference, verdict }: MeasureComparison) => {
      const change = `${difference.mean > 0 ? '+' : ''}${short(difference.mean)} ± ${short(difference.halfWidth)} ${measure.unit}`;
      const means = `${short(one.mean)} → ${short(other.mean)}`;
      return `  ${measure.name.padEnd(18)} ${means.padEnd(20)} ${change.padEnd(26)} ${WORDS[verdict]}`.trimEnd();
    };
    const text = [
      ...remarks.map((remark) => `Note: ${remark}.`),
      ...points.flatMap(({ values, measures }) => [`${describe(values)}:`, ...measures.map(row), '']),
      ...alone.map((values) => `only in one of them: ${describe(values)}`),
    ].join('\n');
    const told = points.map(({ values, measures }) => ({
      values,
      measures: Object.fromEntries(measures.map(({ measure, ...rest }) => [measure.name, rest])),
    }));
    this.print({ remarks, alone, points: told }, text.trimEnd());
    return undefined;
  }
}
