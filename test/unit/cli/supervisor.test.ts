/** Role: the supervisor with small stand-ins for the modules. */

import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Supervisor, type SupervisorOptions } from '../../../src/cli/supervisor.js';
import type { ModuleName } from '../../../src/config/config.js';
import { recordingLog } from '../../support/api-bench.js';

/** Ends with its lifeline, so that a test that is killed leaves nothing behind. */
const LIVES =
  'process.stdin.on("close", () => process.exit(0)).resume(); console.log("up " + process.pid); setInterval(() => {}, 1000)';
const STUBBORN = `process.on("SIGTERM", () => console.log("no")); ${LIVES}`;

class Bench {
  readonly lines: string[] = [];
  readonly supervisor: Supervisor;
  #wake: (() => void)[] = [];

  constructor(scripts: Partial<Record<ModuleName, string>>, options: Partial<SupervisorOptions> = {}) {
    this.supervisor = new Supervisor({
      modules: Object.keys(scripts) as ModuleName[],
      command: (module) => [process.execPath, '-e', scripts[module] ?? ''],
      onLine: (module, line) => {
        this.lines.push(`${module}: ${line}`);
        for (const wake of this.#wake.splice(0)) wake();
      },
      log: recordingLog().log,
      firstBackoffMs: 5,
      ...options,
    });
  }

  /** Until so many lines match. */
  async until(pattern: RegExp, count = 1): Promise<void> {
    while (this.lines.filter((line) => pattern.test(line)).length < count) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}

const supervisor = suite('supervisor');
supervisor('what crashes is started again; the others go on', async () => {
  const bench = new Bench({ dht: LIVES, kx: LIVES });
  bench.supervisor.start();
  await Promise.all([bench.until(/^dht: up/), bench.until(/^kx: up/)]);
  const before = bench.supervisor.pids();
  process.kill(before.dht ?? 0, 'SIGKILL');
  await bench.until(/^dht: up/, 2);
  const after = bench.supervisor.pids();
  assert.is.not(after.dht, before.dht);
  assert.is(after.kx, before.kx);
  bench.supervisor.stop();
  await bench.supervisor.done;
});
supervisor('what ends by itself with 0 stays ended; without children it is done', async () => {
  const bench = new Bench({ dht: 'console.log("once")' });
  bench.supervisor.start();
  await bench.supervisor.done;
  assert.equal(bench.lines, ['dht: once']);
});
supervisor('stop ends all, and by force what does not listen', async () => {
  const bench = new Bench({ dht: LIVES, kx: STUBBORN }, { killAfterMs: 50 });
  bench.supervisor.start();
  await Promise.all([bench.until(/^dht: up/), bench.until(/^kx: up/)]);
  bench.supervisor.stop();
  await bench.supervisor.done;
  assert.equal(bench.supervisor.pids(), {});
});
supervisor('who uses others is gone before they are told to end', async () => {
  const ends = (afterMs: number) =>
    `process.on("SIGTERM", () => { console.log("told"); setTimeout(() => process.exit(0), ${afterMs}); }); ${LIVES}`;
  const bench = new Bench({ dht: ends(0), kx: ends(0), voip: ends(200) });
  bench.supervisor.start();
  await bench.until(/: up/, 3);
  bench.supervisor.stop();
  await bench.until(/told/, 1);
  assert.ok(bench.supervisor.pids().voip !== undefined);
  await bench.supervisor.done;
  assert.equal(
    bench.lines.filter((line) => /told/.test(line)),
    ['voip: told', 'kx: told', 'dht: told'],
  );
});
supervisor('stop while something waits to be started again', async () => {
  const bench = new Bench({ dht: 'console.log("down"); process.exit(3)' }, { firstBackoffMs: 60_000 });
  bench.supervisor.start();
  await bench.until(/^dht: down/);
  while (bench.supervisor.pids().dht !== undefined) await new Promise((resolve) => setImmediate(resolve));
  bench.supervisor.stop();
  await bench.supervisor.done;
});
supervisor('children notice when the supervisor is gone', async () => {
  const { spawn } = await import('node:child_process');
  const here = new URL('../../../src/cli/supervisor.js', import.meta.url).href;
  const script = `
    import { Supervisor } from ${JSON.stringify(here)};
    const log = { info() {}, error() {} };
    new Supervisor({ modules: ['dht'], log, onLine: (_, line) => console.log(line),
      command: () => [process.execPath, '-e', ${JSON.stringify(LIVES)}] }).start();`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const pid = Number(line.replace('up ', ''));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  const alive = () => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  while (alive()) await new Promise((resolve) => setImmediate(resolve));
});
supervisor.run();
