/**
 * Role: the screen from first to last: terminal, drawing, end.
 *
 * Invariants: the terminal is restored before this resolves or rejects; calls go on when the screen ends.
 *
 * Not here: what is shown (view.tsx), the screen without a terminal (run-plain.ts).
 */

import { render } from 'ink';
import type { DaemonLinkOptions } from './daemon-link.js';
import { untilEnd } from './ending.js';
import { ScreenStore } from './screen-store.js';
import { enterSecondScreen } from './terminal.js';
import { Screen } from './view.js';

/** More often than a person can see is work for nothing. */
const MAX_FPS = 10;

export async function runScreen(options: Omit<DaemonLinkOptions, 'dispatch'>): Promise<void> {
  let quit: () => void = () => {};
  const told = untilEnd((end) => {
    quit = end;
  });
  const leave = enterSecondScreen();
  const store = new ScreenStore(options);
  store.onQuit = quit;
  try {
    const app = render(<Screen store={store} />, { exitOnCtrlC: true, patchConsole: false, maxFps: MAX_FPS });
    const exited = app.waitUntilExit();
    await Promise.race([exited, told]);
    app.unmount();
    await exited;
  } finally {
    leave();
    await store.stop();
  }
}
