/** Role: the screen without a terminal, from first to last. Not here: the lines (plain-lines.ts). */

import type { DaemonLinkOptions } from './daemon-link.js';
import { untilEnd } from './ending.js';
import { type PlainLine, plainLines } from './plain-lines.js';
import { ScreenStore } from './screen-store.js';

/** Until a signal comes or nobody reads any more. */
export async function runPlain(
  options: Omit<DaemonLinkOptions, 'dispatch'>,
  print: (line: PlainLine) => void,
): Promise<void> {
  const store = new ScreenStore(options);
  store.subscribe((after, before) => {
    for (const line of plainLines(after, before)) print(line);
  });
  await untilEnd(() => {});
  await store.stop();
}
