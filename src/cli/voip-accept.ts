/** Role: `peer voip accept`: accept the call that is ringing. Not here: the call itself (src/voip). */

import { Command } from 'clipanion';
import { CallVerbCommand } from './voip-command.js';

export class VoipAcceptCommand extends CallVerbCommand {
  static override paths = [['voip', 'accept']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'accept the call that is ringing',
    examples: [['Talk', '$0 voip accept -c peer.ini']],
  });

  override perform(): Promise<undefined> {
    return this.act('accept');
  }
}
