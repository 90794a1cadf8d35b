/** Role: what call-states.ts finds out: checks, each with its name. Not here: how many must hold (voip-states.ts). */

/** One thing that must be so. */
export interface Check {
  readonly part: string;
  readonly name: string;
  /** What was there instead; absent: it holds. */
  readonly fault?: string;
  /** Where it is an end: how long after the signal. */
  readonly endedAfterMs?: number;
}

export interface StatesResults {
  readonly checks: readonly Check[];
  /** What could not be tried, as an earlier step had failed. */
  readonly brokenOff: readonly string[];
}

/** Gathers checks: one that fails breaks off its part, whose further steps build on it. */
export class Checklist {
  readonly checks: Check[] = [];
  readonly brokenOff: string[] = [];
  readonly #tell: (text: string) => void;
  readonly #clear: () => Promise<void>;

  /** `clear` ends what a part that was broken off has left, so that the next one begins as it should. */
  constructor(tell: (text: string) => void, clear: () => Promise<void>) {
    this.#tell = tell;
    this.#clear = clear;
  }

  /** All checks of a part in their order. A number that a step comes to is `endedAfterMs`. */
  async part(
    part: string,
    run: (check: (name: string, step: () => Promise<unknown>) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    try {
      await run(async (name, step) => {
        try {
          const found = await step();
          this.checks.push({ part, name, ...(typeof found === 'number' ? { endedAfterMs: found } : {}) });
          this.#tell(`${part}: ${name}`);
        } catch (error) {
          const fault = error instanceof Error ? error.message : String(error);
          this.checks.push({ part, name, fault });
          this.#tell(`${part}: ${name}: FAILED: ${fault}`);
          throw error;
        }
      });
    } catch (error) {
      this.brokenOff.push(
        `${part}: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : error}`,
      );
      await this.#clear();
    }
  }
}

/** An error where it is not so. */
export function must(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(what);
}
