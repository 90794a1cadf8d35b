/** Role: `peer voip log`: the calls that there were. Not here: the file (src/voip/call-log.ts). */

import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { END_TEXT, type EndReason } from '../voip/call.js';
import { CallLog, type LoggedCall } from '../voip/call-log.js';
import { ConfigCommand } from './command.js';

export class VoipLogCommand extends ConfigCommand {
  static override paths = [['voip', 'log']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'list the calls that there were, newest last',
    examples: [
      ['All of them', '$0 voip log -c peer.ini'],
      ['Who called while I was away?', '$0 voip log --missed -c peer.ini'],
      ['Forget them', '$0 voip log --clear -c peer.ini'],
    ],
  });

  missed = Option.Boolean('--missed', false, { description: 'only calls that nobody answered here' });
  clear = Option.Boolean('--clear', false, { description: 'forget all calls' });

  override async perform(): Promise<undefined> {
    const { stateDir, voip } = this.loadConfig();
    if (voip === null) throw new PeerError('config', 'this peer has no section [VOIP]');
    const log = new CallLog(stateDir, voip.callLog);
    if (this.clear) {
      await log.clear();
      this.print({ cleared: true }, 'all calls are forgotten');
      return undefined;
    }
    const calls = (await log.list()).filter(({ missed }) => missed || !this.missed);
    this.print(calls, calls.length === 0 ? 'no calls' : calls.map(line).join('\n'));
    return undefined;
  }
}

function line(call: LoggedCall): string {
  const when = new Date(call.endedSeconds * 1000).toLocaleString();
  const direction = call.direction === 'incoming' ? 'from' : 'to  ';
  const what =
    call.talkedSeconds === undefined
      ? call.missed
        ? 'missed'
        : END_TEXT[call.reason as EndReason]
      : `talked ${Math.floor(call.talkedSeconds / 60)} min ${call.talkedSeconds % 60} s`;
  return `${when}  ${direction} ${call.contact ?? call.remote}  ${what}`;
}
