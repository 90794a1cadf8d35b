/** Role: the end of a measuring program: its results on one line of standard output. Not here: what reads them (command.ts). */

/** Prints `results` as JSON and ends the process, whatever else is open, once all of it is written: a pipe takes it by pieces. */
export function finishWith(results: object): void {
  process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
}
