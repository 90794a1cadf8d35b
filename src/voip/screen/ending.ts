/** Role: what ends the screen from outside: signals, and an output that is gone. Not here: the key `q`. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves once; `quit` does it from inside. From then on the signals have their usual meaning again. */
export function untilEnd(listen: (quit: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      for (const signal of SIGNALS) process.off(signal, end);
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, end);
    // Stays, as more writes may be on their way to a reader that is gone.
    process.stdout.on('error', end);
    listen(end);
  });
}
