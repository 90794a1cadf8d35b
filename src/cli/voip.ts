/** Role: `peer voip`: runs the VoIP module. Not here: the module (src/voip) and the verbs of its own CLI. */

import { Command, Option } from 'clipanion';
import { DaemonCommand } from './daemon-command.js';

export class VoipCommand extends DaemonCommand {
  static override paths = [['voip']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'run the VoIP module',
    examples: [['Be reachable for calls', '$0 voip -c peer.ini']],
  });

  autoAnswer = Option.Boolean('--auto-answer', false, { description: 'accept every call at once' });

  override perform(): Promise<number> {
    return this.runModule('voip', {}, async () => {
      const { startVoip } = await import('../voip/daemon.js');
      return (config, log) => startVoip(config, log, { autoAnswer: this.autoAnswer });
    });
  }
}
