/**
 * Role: `peer voip screen`: the telephone on a terminal, or line by line where there is none.
 *
 * Invariants: it is a client of the running module: its end ends no call. Code of the screen is loaded by this command
 * only.
 *
 * Not here: the screen (src/voip/screen).
 */

import { Command } from 'clipanion';
import { controlSocketPath } from '../api/control.js';
import { PeerError } from '../errors.js';
import { CallLog } from '../voip/call-log.js';
import { Contacts } from '../voip/contacts.js';
import { ConfigCommand } from './command.js';

export class VoipScreenCommand extends ConfigCommand {
  static override paths = [['voip', 'screen']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'show the telephone on this terminal: calls, levels, quality, keys',
    details:
      'The VoIP module must run (peer up); the screen can be closed and opened while a call goes on. Without a terminal, or with --json, one line for each change.',
    examples: [
      ['Use the telephone', '$0 voip screen -c peer.ini'],
      ['Follow what happens, for programs', '$0 voip screen -c peer.ini --json'],
    ],
  });

  override async perform(): Promise<number> {
    const config = this.loadConfig();
    const { stateDir, voip } = config;
    if (voip === null) throw new PeerError('config', 'this peer has no section [VOIP]');
    const [contacts, callLog] = [new Contacts(stateDir), new CallLog(stateDir, voip.callLog)];
    const options = {
      path: controlSocketPath(config, 'voip'),
      remedy: `start it with: peer up -c ${config.file}`,
      contacts: () => contacts.list(),
      callLog: () => callLog.list(),
    };
    if (!process.stdin.isTTY || !process.stdout.isTTY || this.json) {
      const { runPlain } = await import('../voip/screen/run-plain.js');
      await runPlain(options, ({ event, data, text }) => this.print({ event, data }, text));
      return 0;
    }
    // Read when the libraries are loaded: without the first, React measures itself and keeps what it measured; with CI
    // set, Ink would draw nothing on this terminal until the end.
    process.env.NODE_ENV = 'production';
    process.env.CI = 'false';
    process.env.CONTINUOUS_INTEGRATION = 'false';
    const { runScreen } = await import('../voip/screen/run-screen.js');
    await runScreen(options);
    return 0;
  }
}
