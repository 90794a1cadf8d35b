/**
 * Role: what the commands `peer dht`, `peer kx` and `peer voip` share.
 *
 * Invariants: a module's code is loaded by its own command only, so that a fault in one cannot stop another.
 *
 * Not here: control socket and signals (api/daemon.ts).
 */

import { Option } from 'clipanion';
import { type Daemon, runDaemon } from '../api/daemon.js';
import type { Config, ModuleName, Overrides } from '../config/config.js';
import { definedOnly } from '../defined-only.js';
import { PeerError } from '../errors.js';
import { createLogger, type Logger } from '../log.js';
import { ConfigCommand } from './command.js';

export type StartModule = (config: Config, log: Logger) => Promise<Daemon>;

export abstract class DaemonCommand extends ConfigCommand {
  hostname = Option.String('--hostname', { description: 'overrides HOSTNAME of this module' });
  port = Option.String('--port', { description: 'overrides PORT of this module' });

  /** Runs the module until it is told to stop. */
  protected async runModule(
    module: ModuleName,
    more: { readonly [K in keyof Overrides]?: string | undefined },
    load: () => Promise<StartModule>,
  ): Promise<number> {
    const given = definedOnly({ hostname: this.hostname, port: this.port, ...more });
    const config = this.loadConfig({ ...given, module });
    if (config[module] === null) {
      const section = module.toUpperCase();
      throw new PeerError('config', `${config.file}: expected a section [${section}], but there is none`, {
        remedy: `add [${section}], or start another module`,
      });
    }
    const log = createLogger({ level: config.logLevel, name: module });
    return runDaemon(module, config, log, await load());
  }
}
