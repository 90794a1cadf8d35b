/** Role: `peer voip hangup`: end the call. Not here: the call itself (src/voip). */

import { Command } from 'clipanion';
import { CallVerbCommand } from './voip-command.js';

export class VoipHangupCommand extends CallVerbCommand {
  static override paths = [['voip', 'hangup']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'end the call',
    examples: [['Hang up', '$0 voip hangup -c peer.ini']],
  });

  override perform(): Promise<undefined> {
    return this.act('hangup');
  }
}
