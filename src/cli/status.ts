/**
 * Role: `peer status`: asks the daemons of this peer how they are.
 *
 * Invariants: one that does not answer hides none of the others; exit code 1 unless all configured ones run.
 *
 * Not here: what a status holds (the modules).
 */

import { Command, Option } from 'clipanion';
import { controlSocketPath } from '../api/control.js';
import { ControlClient } from '../api/control-client.js';
import type { Config, ModuleName } from '../config/config.js';
import { PeerError } from '../errors.js';
import { ConfigCommand } from './command.js';

const TIMEOUT_MS = 5_000;
const WATCH_EVERY_MS = 2_000;

export class StatusCommand extends ConfigCommand {
  static override paths = [['status']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'show how the modules of this peer are',
    examples: [
      ['For people', '$0 status -c peer.ini'],
      ['For programs', '$0 status -c peer.ini --json'],
      ['Every two seconds, until Ctrl-C', '$0 status -c peer.ini --watch'],
    ],
  });

  watch = Option.Boolean('--watch', false, { description: 'again every two seconds, until Ctrl-C' });

  override async perform(): Promise<number> {
    const config = this.loadConfig();
    if (!this.watch) return this.#report(config);
    let stop = () => {};
    const stopped = new Promise<'stopped'>((resolve) => {
      stop = () => resolve('stopped');
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
    for (;;) {
      const code = await this.#report(config);
      let timer: NodeJS.Timeout | undefined;
      const later = new Promise<'again'>((resolve) => {
        timer = setTimeout(() => resolve('again'), WATCH_EVERY_MS);
      });
      const next = await Promise.race([later, stopped]);
      clearTimeout(timer);
      if (next === 'stopped') return code;
      if (!this.json) this.context.stdout.write('\n');
    }
  }

  /** The exit code. */
  async #report(config: Config): Promise<number> {
    const answers = Object.entries(await statusesOf(config));
    const report = Object.fromEntries(answers.map(([module, { value }]) => [module, value]));
    this.print(report, answers.map(([module, { text }]) => `${module.padEnd(5)} ${text}`).join('\n'));
    return answers.every(([, { running }]) => running) ? 0 : 1;
  }
}

/** What each configured module says of itself, or why it does not. */
export async function statusesOf(config: Config): Promise<Readonly<Record<string, StatusAnswer>>> {
  const modules = (['dht', 'kx', 'voip'] as const).filter((module) => config[module] !== null);
  const answers = await Promise.all(modules.map((module) => askStatus(config, module)));
  return Object.fromEntries(modules.map((module, index) => [module, answers[index] as StatusAnswer]));
}

export interface StatusAnswer {
  readonly running: boolean;
  readonly value: unknown;
  readonly text: string;
}

async function askStatus(config: Config, module: ModuleName): Promise<StatusAnswer> {
  try {
    const client = await ControlClient.connect(controlSocketPath(config, module));
    try {
      const value = await client.request('status', undefined, { timeoutMs: TIMEOUT_MS });
      return { running: true, value, text: describe(value) };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    const { code, message } = error;
    const text = code === 'not-running' ? 'not running' : message;
    return { running: false, value: { error: { code, message } }, text };
  }
}

function describe(value: unknown): string {
  const { pid, uptimeSeconds, state } = value as Record<string, unknown>;
  const details = state === undefined ? 'starting' : JSON.stringify(state);
  return `running, process ${pid}, for ${uptimeSeconds} s\n      ${details}`;
}
