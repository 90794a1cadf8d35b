/**
 * Role: what ends the screen from outside: signals, and an output that is gone.
 *
 * Invariants: a second signal ends the process at once. The handlers stay: libraries that find no other handler kill the
 * process by the signal.
 *
 * Not here: the key `q`.
 */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT_INTERRUPTED = 130;

/** Resolves once; `quit` does it from inside. */
export function untilEnd(listen: (quit: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const end = () => resolve();
    let signals = 0;
    const onSignal = () => {
      signals += 1;
      if (signals > 1) process.exit(EXIT_INTERRUPTED);
      end();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    process.stdout.on('error', end);
    listen(end);
  });
}
