/**
 * Role: what a goal of the project is: something that is measured afresh and either reached or not.
 *
 * Not here: single goals (a file for each area), the list (registry.ts).
 */

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

export function goalName({ area, number }: Goal): string {
  return `${area} ${number}`;
}

/** The one line of a measured goal. */
export function formatOutcome(goal: Goal, { passed, figure }: Outcome): string {
  return `${passed ? 'PASSED' : 'FAILED'}  ${goalName(goal)}  ${goal.title}: ${figure} [${goal.sampleSize}]`;
}
