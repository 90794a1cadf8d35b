/**
 * Role: what a goal of the project is: something that is measured afresh and either reached or not.
 *
 * Not here: single goals (a file for each area), the list (registry.ts).
 */

import { availableParallelism } from 'node:os';

/** Tells what goes on while a goal is measured. */
export type Tell = (text: string) => void;

export interface Outcome {
  readonly passed: boolean;
  /** What was measured, or what is missing, on one line. */
  readonly figure: string;
}

export interface Goal {
  readonly area: string;
  readonly number: number;
  /** What is to be reached. */
  readonly title: string;
  /** How much is measured for it. */
  readonly sampleSize: string;
  readonly run: (tell: Tell) => Promise<Outcome>;
}

/** One of several measurements that a goal consists of; its figure says which it is. */
export interface Part extends Pick<Goal, 'title' | 'sampleSize' | 'run'> {
  /** It runs in virtual time: what else the machine does changes no figure. */
  readonly isVirtual?: true;
}

/**
 * All parts, also after one has failed; one that cannot be measured is not passed. Where all run in virtual time, as many at
 * a time as there are cores; else one after the other.
 */
export async function runParts(parts: readonly Part[], tell: Tell): Promise<Outcome> {
  const atOnce = parts.every(({ isVirtual }) => isVirtual) ? availableParallelism() : 1;
  const outcomes: Outcome[] = new Array(parts.length);
  let next = 0;
  const work = async () => {
    for (let index = next++; index < parts.length; index = next++) {
      outcomes[index] = await (parts[index] as Part).run(tell).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        return { passed: false, figure: `cannot be measured: ${reason}` };
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return {
    passed: outcomes.every(({ passed }) => passed),
    figure: outcomes.map(({ passed, figure }) => (passed ? figure : `FAILED ${figure}`)).join(' | '),
  };
}

export function goalName({ area, number }: Goal): string {
  return `${area} ${number}`;
}

/** The one line of a measured goal. */
export function formatOutcome(goal: Goal, { passed, figure }: Outcome): string {
  return `${passed ? 'PASSED' : 'FAILED'}  ${goalName(goal)}  ${goal.title}: ${figure} [${goal.sampleSize}]`;
}
