/** Role: `peer voip mute`: silences the microphone; what is sent looks the same. Not here: the call (src/voip). */

import { Command, Option } from 'clipanion';
import { CallVerbCommand } from './voip-command.js';

export class VoipMuteCommand extends CallVerbCommand {
  static override paths = [['voip', 'mute']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'silence the microphone, or with --off use it again',
    examples: [
      ['Be silent', '$0 voip mute -c peer.ini'],
      ['Speak again', '$0 voip mute --off -c peer.ini'],
    ],
  });

  off = Option.Boolean('--off', false, { description: 'use the microphone again' });

  override perform(): Promise<undefined> {
    return this.act('mute', { muted: !this.off });
  }
}
