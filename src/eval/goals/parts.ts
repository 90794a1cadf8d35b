/** Role: a goal that is measured in several parts: all of them run, each has its say in the figure. */

import type { Outcome, Tell } from './goal.js';

export type Part = (tell: Tell) => Promise<Outcome>;

/** One after the other, also after one has failed; passed if all are. */
export async function runParts(parts: readonly Part[], tell: Tell): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const part of parts) outcomes.push(await part(tell));
  return {
    passed: outcomes.length > 0 && outcomes.every(({ passed }) => passed),
    figure: outcomes.map(({ figure }) => figure).join('; '),
  };
}
