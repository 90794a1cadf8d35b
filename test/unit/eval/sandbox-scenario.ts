/**
 * Role: a program for sandbox.test.ts that starts things inside a sandbox and says so.
 *
 *   node sandbox-scenario.js MARKER [CODE]    with CODE it ends by itself
 *
 * MARKER is an argument of every process that it starts.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../../../src/errors.js';
import { BridgedHosts } from '../../../src/eval/namespaces.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../../../src/eval/sandbox.js';

/** Tells the test that this machine has no sandboxes. */
const EXIT_IMPOSSIBLE = 77;

const args = process.argv.slice(2);
const [marker = '', code] = args;
const directory = sandboxDirectory();

if (directory === null) {
  const ended = runInSandbox(fileURLToPath(import.meta.url), args).catch((error: unknown) => {
    if (!(error instanceof PeerError)) throw error;
    process.stdout.write(`${error.message}\n`);
    return EXIT_IMPOSSIBLE;
  });
  process.exitCode = await ended;
} else {
  prepareInside();
  const hosts = new BridgedHosts('left-over');
  const host = hosts.add('somebody');
  writeFileSync(join(directory, 'file'), 'content');
  // In a process group of its own, as the modules under the supervisor: no signal of a terminal reaches it.
  const program = [
    '-e',
    'process.on("SIGTERM", () => {}); process.stdout.write("."); setInterval(() => {}, 1000)',
  ];
  const child = hosts.spawn(host, process.execPath, [...program, marker], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.stdout?.once('data', () => {
    process.stdout.write('ready\n');
    if (code !== undefined) process.exit(Number(code));
  });
}
