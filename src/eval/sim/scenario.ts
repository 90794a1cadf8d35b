/**
 * Role: what a scenario of the simulator is: parameters with defaults, a run, and figures.
 *
 * Invariant: figures are the same for the same parameters and seed, those under `machine` apart.
 * Not here: the list (scenarios.ts), the command (main.ts).
 */

/** Tells what goes on. */
export type Tell = (text: string) => void;

export type Parameters = Readonly<Record<string, number>>;

/** What was measured, by name; units are in the names. */
export type Figures = Readonly<Record<string, number | string>>;

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly defaults: Parameters;
  run(parameters: Parameters, seed: string, tell: Tell): Promise<Figures>;
}

export interface ScenarioOf<P extends Parameters> {
  readonly name: string;
  readonly summary: string;
  /** Each one can be set on the command line. */
  readonly defaults: P;
  readonly run: (parameters: P, seed: string, tell: Tell) => Promise<Figures>;
}

/** A scenario whose run knows its parameters by name. */
export function scenario<P extends Parameters>({ name, summary, defaults, run }: ScenarioOf<P>): Scenario {
  return {
    name,
    summary,
    defaults,
    run: (parameters, seed, tell) => run({ ...defaults, ...parameters }, seed, tell),
  };
}
