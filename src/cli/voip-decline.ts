/** Role: `peer voip decline`: decline the call that is ringing. Not here: the call itself (src/voip). */

import { Command } from 'clipanion';
import { CallVerbCommand } from './voip-command.js';

export class VoipDeclineCommand extends CallVerbCommand {
  static override paths = [['voip', 'decline']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'decline the call that is ringing',
    examples: [['Not now', '$0 voip decline -c peer.ini']],
  });

  override perform(): Promise<undefined> {
    return this.act('decline');
  }
}
