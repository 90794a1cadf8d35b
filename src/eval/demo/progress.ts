/** Role: tells a person what goes on: one line a step, with the seconds since the start. Not here: results. */

export class Progress {
  readonly #output: NodeJS.WritableStream;
  readonly #startedAt = performance.now();

  constructor(output: NodeJS.WritableStream) {
    this.#output = output;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  step(text: string): void {
    this.#output.write(`${this.elapsedSeconds.toFixed(1).padStart(6)} s  ${text}\n`);
  }
}
