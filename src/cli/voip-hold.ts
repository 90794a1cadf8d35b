/** Role: `peer voip hold`: puts a call on hold. Not here: the call itself (src/voip). */

import { Command, Option } from 'clipanion';
import { CallVerbCommand } from './voip-command.js';

export class VoipHoldCommand extends CallVerbCommand {
  static override paths = [['voip', 'hold']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'put the call on hold, or with --off go on with it',
    details: 'Going on with one call puts the one that speaks on hold.',
    examples: [
      ['A moment, please', '$0 voip hold -c peer.ini'],
      ['Go on', '$0 voip hold --off -c peer.ini'],
    ],
  });

  off = Option.Boolean('--off', false, { description: 'go on with a call that is on hold' });

  override perform(): Promise<undefined> {
    return this.act('hold', { held: !this.off });
  }
}
