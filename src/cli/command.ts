/**
 * Role: what all commands share: results on stdout, errors for people or as JSON, exit codes.
 *
 * Invariants: 0 is success, 1 a failure that is explained, 2 wrong usage (main.ts), 70 our own fault. Errors
 * read "peer: what happened, why" with what to do on the next line; with --json they are
 * `{"error": {"code", "message", "remedy"}}` on stdout.
 *
 * Not here: any single command.
 */

import { Command, Option, UsageError } from 'clipanion';
import { EXIT_INTERNAL } from '../api/daemon.js';
import { type Config, loadConfig, type Overrides } from '../config/config.js';
import { definedOnly } from '../defined-only.js';
import { PeerError } from '../errors.js';

/** Exit code of wrong usage. */
export const EXIT_USAGE = 2;

export abstract class PeerCommand extends Command {
  json = Option.Boolean('--json', false, { description: 'print results and errors as JSON' });

  /** The work; resolves to the exit code, where nothing stands for 0. */
  abstract perform(): Promise<number | undefined>;

  override async execute(): Promise<number> {
    try {
      return (await this.perform()) ?? 0;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Prints `value` with --json, else `text`. */
  protected print(value: unknown, text: string): void {
    this.context.stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${text}\n`);
  }

  /** A line of progress for people, on stderr. */
  protected progress(text: string): void {
    if (!this.json) this.context.stderr.write(`${text}\n`);
  }

  #fail(error: unknown): number {
    if (error instanceof UsageError) {
      this.context.stderr.write(`peer: ${error.message}\n`);
      return EXIT_USAGE;
    }
    const known = error instanceof PeerError;
    const code = known ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    const remedy = known ? error.remedy : undefined;
    if (this.json) {
      this.context.stdout.write(`${JSON.stringify({ error: { code, message, remedy } })}\n`);
    } else if (known) {
      const lines = message.split('\n').map((line) => `peer: ${line}\n`);
      this.context.stderr.write(lines.join('') + (remedy === undefined ? '' : `  ${remedy}\n`));
    } else {
      const stack = error instanceof Error ? error.stack : message;
      this.context.stderr.write(`peer: a fault of this program, please report it\n${stack}\n`);
    }
    return known ? 1 : EXIT_INTERNAL;
  }
}

/** A command that reads the config file. */
export abstract class ConfigCommand extends PeerCommand {
  configFile = Option.String('-c,--config', { description: 'the config file (INI); required' });
  hostkey = Option.String('--hostkey', { description: 'overrides HOSTKEY' });
  stateDir = Option.String('--state-dir', { description: 'overrides STATE_DIR' });
  logLevel = Option.String('--log-level', { description: 'overrides LOG_LEVEL' });

  /** The config with the overrides of the command line. Errors: 'config'. */
  protected loadConfig(more: Overrides = {}): Config {
    if (this.configFile === undefined)
      throw new UsageError('the config file is missing: give its path by -c FILE');
    return loadConfig(this.configFile, { ...this.#common(), ...more });
  }

  #common(): Overrides {
    return definedOnly({ hostkey: this.hostkey, stateDir: this.stateDir, logLevel: this.logLevel });
  }
}
