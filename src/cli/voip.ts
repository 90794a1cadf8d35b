/** Role: `peer voip`: runs the VoIP module. Not here: the module (src/voip) and the verbs of its own CLI. */

import { Command } from 'clipanion';
import { DaemonCommand, loadStart } from './daemon-command.js';

export class VoipCommand extends DaemonCommand {
  static override paths = [['voip']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'run the VoIP module',
    examples: [['Be reachable for calls', '$0 voip -c peer.ini']],
  });

  override perform(): Promise<number> {
    return this.runModule('voip', {}, () => loadStart('../voip/daemon.js', 'startVoip'));
  }
}
