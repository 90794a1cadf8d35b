/**
 * Role: opens a page of a file in headless Chromium, cut off from every network.
 *
 * Invariants: nothing of it is left afterwards but the screenshot.
 *
 * Not here: what must be on the page.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PeerError } from '../../errors.js';
import { runCommand } from './command.js';

/** Pixels; the page is longer. */
const WINDOW = { width: 1280, height: 3200 };
/** What Chromium logs of a page: faults of scripts, of styles, and what the page's policy has forbidden; and of itself, elsewhere. */
const CONSOLE = /CONSOLE[^"]*"(.*)", source: file:/;

export interface OpenedPage {
  /** As it stands once it has been loaded. */
  readonly html: string;
  /** Whatever the page has written to the console: faults, and what its policy forbids. */
  readonly complaints: readonly string[];
}

/** Errors: 'browser' where Chromium does not open it. */
export async function openPage(file: string, screenshot: string): Promise<OpenedPage> {
  const profile = await mkdtemp(join(tmpdir(), 'peer-browser-'));
  const url = pathToFileURL(file).href;
  const open = async (log: string, action: string) => {
    const opened = await runCommand(log, 'unshare', [
      '--net',
      '--map-root-user',
      'chromium',
      '--headless',
      // Its own sandbox refuses to run as root; the page is ours and there is no network.
      '--no-sandbox',
      '--disable-gpu',
      '--enable-logging=stderr',
      `--user-data-dir=${profile}`,
      `--window-size=${WINDOW.width},${WINDOW.height}`,
      action,
      url,
    ]);
    if (opened.code !== 0) throw new PeerError('browser', `Chromium did not open ${file}; see ${opened.log}`);
    const lines = (await readFile(opened.log, 'utf8')).split('\n');
    return { html: opened.stdout, complaints: lines.flatMap((line) => CONSOLE.exec(line)?.[1] ?? []) };
  };
  try {
    const shown = await open('browser-shown', `--screenshot=${screenshot}`);
    const { html, complaints } = await open('browser-dumped', '--dump-dom');
    return { html, complaints: [...shown.complaints, ...complaints] };
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}
