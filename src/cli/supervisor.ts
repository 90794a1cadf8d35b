/**
 * Role: runs the daemons of a peer as child processes and starts again what crashes.
 *
 * Invariants: each child has its own process group, so that a signal reaches it once, through us; a child's
 * standard input is a pipe from us, by whose end it notices when we are gone; after `stop` nothing is
 * started again, who uses others ends before them (a hang-up needs the KX), and what does not end in time is killed.
 *
 * Not here: the command line (up.ts), what the children do.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { SUPERVISED_VARIABLE } from '../api/daemon.js';
import type { ModuleName } from '../config/config.js';
import type { Logger } from '../log.js';

export interface SupervisorOptions {
  /** Each uses some of those before it. */
  readonly modules: readonly ModuleName[];
  /** Program and arguments of a module's process. */
  readonly command: (module: ModuleName) => readonly [string, ...string[]];
  /** Gets each line that a child writes to stdout or stderr. */
  readonly onLine: (module: ModuleName, line: string) => void;
  readonly log: Logger;
  readonly firstBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** How long children may take to stop. */
  readonly killAfterMs?: number;
}

/** A child that ran as long as this has recovered: the next backoff starts anew. */
const STABLE_MS = 60_000;
/** How long a child keeps those that it uses alive. */
const TURN_MS = 1_500;

interface Slot {
  readonly module: ModuleName;
  child: ChildProcess | null;
  startedMs: number;
  backoffMs: number;
  timer: NodeJS.Timeout | null;
}

export class Supervisor {
  /** Settles when no child runs and none will be started again. */
  readonly done: Promise<void>;
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  readonly #firstBackoffMs: number;
  #resolveDone: () => void = () => {};
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#firstBackoffMs = options.firstBackoffMs ?? 1_000;
    this.#slots = options.modules.map((module) => ({
      module,
      child: null,
      startedMs: 0,
      backoffMs: this.#firstBackoffMs,
      timer: null,
    }));
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
  }

  start(): void {
    for (const slot of this.#slots) this.#spawn(slot);
  }

  /** Process ids of the children that run. */
  pids(): Partial<Record<ModuleName, number>> {
    const running = this.#slots.filter(({ child }) => child?.pid !== undefined);
    return Object.fromEntries(running.map(({ module, child }) => [module, child?.pid]));
  }

  /** Ends all children: politely and in turn the first time, by force and at once the second. */
  stop(): void {
    if (this.#stopping) {
      for (const { child } of this.#slots) child?.kill('SIGKILL');
      return;
    }
    this.#stopping = true;
    for (const slot of this.#slots) {
      if (slot.timer !== null) clearTimeout(slot.timer);
      slot.timer = null;
    }
    const force = setTimeout(() => this.stop(), this.#options.killAfterMs ?? 12_000);
    void this.done.then(() => clearTimeout(force));
    void this.#endInTurn();
    this.#settleIfDone();
  }

  async #endInTurn(): Promise<void> {
    for (const { child } of [...this.#slots].reverse()) {
      if (child === null) continue;
      child.kill('SIGTERM');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, TURN_MS);
        child.once('exit', () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #spawn(slot: Slot): void {
    const { module } = slot;
    const [program, ...args] = this.#options.command(module);
    slot.timer = null;
    slot.startedMs = performance.now();
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, [SUPERVISED_VARIABLE]: '1' },
    });
    slot.child = child;
    child.stdin.on('error', () => {});
    for (const stream of [child.stdout, child.stderr]) this.#forwardLines(module, stream);
    child.once('error', (error) => {
      this.#options.log.error({ err: error, module }, 'cannot start the module');
      this.#onExit(slot, child, null, null);
    });
    child.once('exit', (code, signal) => this.#onExit(slot, child, code, signal));
  }

  #onExit(slot: Slot, child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (slot.child !== child) return;
    const { module } = slot;
    slot.child = null;
    if (this.#stopping || code === 0) {
      this.#options.log.info({ module, code, signal }, 'stopped');
      this.#settleIfDone();
      return;
    }
    if (performance.now() - slot.startedMs > STABLE_MS) slot.backoffMs = this.#firstBackoffMs;
    this.#options.log.error(
      { module, code, signal, restartMs: slot.backoffMs },
      'ended unasked; starting again',
    );
    slot.timer = setTimeout(() => this.#spawn(slot), slot.backoffMs);
    slot.backoffMs = Math.min(slot.backoffMs * 2, this.#options.maxBackoffMs ?? 30_000);
  }

  #settleIfDone(): void {
    if (this.#slots.every(({ child, timer }) => child === null && timer === null)) this.#resolveDone();
  }

  #forwardLines(module: ModuleName, stream: NodeJS.ReadableStream): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = (lines.pop() ?? '').slice(0, 65_536);
      for (const line of lines) this.#options.onLine(module, line);
    });
    stream.on('end', () => {
      if (rest !== '') this.#options.onLine(module, rest);
      rest = '';
    });
  }
}
