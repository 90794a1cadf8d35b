/**
 * Role: `peer up`: all configured modules of a peer under one supervisor.
 *
 * Not here: restarting (supervisor.ts).
 */

import { fileURLToPath } from 'node:url';
import { Command, Option } from 'clipanion';
import type { Config, ModuleName } from '../config/config.js';
import { PeerError } from '../errors.js';
import { createLogger, formatLogLine } from '../log.js';
import { ConfigCommand } from './command.js';
import { Supervisor } from './supervisor.js';

const PROGRAM = fileURLToPath(new URL('../../../bin/peer.js', import.meta.url));

export class UpCommand extends ConfigCommand {
  static override paths = [['up']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'run all modules of this peer, and start again what crashes',
    examples: [['Run this peer', '$0 up -c peer.ini']],
  });

  autoAnswer = Option.Boolean('--auto-answer', false, { description: 'accept every call at once' });

  override async perform(): Promise<number> {
    const config = this.loadConfig();
    const modules = (['dht', 'kx', 'voip'] as const).filter((module) => config[module] !== null);
    if (modules.length === 0) {
      throw new PeerError(
        'config',
        `${config.file}: expected a section [DHT], [KX] or [VOIP], but there is none`,
      );
    }
    const log = createLogger({ level: config.logLevel, name: 'up' });
    const terminal = process.stderr.isTTY === true;
    const supervisor = new Supervisor({
      modules,
      command: (module) => [process.execPath, PROGRAM, module, ...this.#arguments(module, config)],
      onLine: (module, line) => process.stderr.write(`${presentLine(module, line, terminal)}\n`),
      log,
    });
    const onSignal = () => supervisor.stop();
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    supervisor.start();
    await supervisor.done;
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
    return 0;
  }

  #arguments(module: ModuleName, config: Config): string[] {
    const overrides = [
      ['--hostkey', this.hostkey === undefined ? undefined : config.hostkeyPath],
      ['--state-dir', this.stateDir === undefined ? undefined : config.stateDir],
      ['--log-level', this.logLevel],
    ] as const;
    const given = overrides.flatMap(([option, value]) => (value === undefined ? [] : [option, value]));
    const more = module === 'voip' && this.autoAnswer ? ['--auto-answer'] : [];
    return ['-c', config.file, ...given, ...more];
  }
}

/** Log records carry the module's name already; anything else gets it as a prefix. */
function presentLine(module: ModuleName, line: string, terminal: boolean): string {
  const isRecord = line.startsWith('{"level":');
  if (!isRecord) return `${module}: ${line}`;
  return terminal ? formatLogLine(line) : line;
}
