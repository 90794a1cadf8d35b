/** Whatever ends a sandboxed program, nothing that it started is left. */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { skip } from '../../support/skip.js';

const SCENARIO = fileURLToPath(new URL('./sandbox-scenario.js', import.meta.url));
const EXIT_IMPOSSIBLE = 77;
const EXIT_INTERRUPTED = 130;
const GONE_MS = 15_000;

const test = suite('sandbox');

/** Starts the scenario; resolves when its processes run, or to a skipped test. */
async function start(...more: string[]) {
  const marker = `marker-${randomBytes(8).toString('hex')}`;
  const child = spawn(process.execPath, [SCENARIO, marker, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const [output] = await once(child.stdout, 'data');
  if (String(output) !== 'ready\n') {
    const [code] = await exit;
    if (code === EXIT_IMPOSSIBLE) skip(String(output).trim());
    throw new Error(`the scenario said ${output}`);
  }
  return { marker, child, exit };
}

function processesWith(marker: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(marker);
      } catch {
        return false;
      }
    });
}

async function nothingIsLeft(marker: string): Promise<void> {
  const end = performance.now() + GONE_MS;
  while (processesWith(marker).length > 0) {
    assert.ok(performance.now() < end, `still there: ${processesWith(marker)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.not.ok(existsSync('/run/sandbox'));
  assert.not.ok(existsSync('/sys/class/net/left-over'));
  assert.not.ok(existsSync('/sys/class/net/v-somebody'));
  assert.not.ok(existsSync('/run/netns/somebody'));
}

test('its exit code comes out, and what it left running ends with it', async () => {
  const { marker, exit } = await start('5');
  assert.equal(await exit, [5, null]);
  await nothingIsLeft(marker);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} ends it with all that it started`, async () => {
    const { marker, child, exit } = await start();
    assert.ok(processesWith(marker).length > 0);
    child.kill(signal);
    assert.equal(await exit, [EXIT_INTERRUPTED, null]);
    await nothingIsLeft(marker);
  });
}

test('killing the outer process ends the inner one with all that it started', async () => {
  const { marker, child, exit } = await start();
  child.kill('SIGKILL');
  assert.equal(await exit, [null, 'SIGKILL']);
  await nothingIsLeft(marker);
});

test.run();
