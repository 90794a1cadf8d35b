/** Role: `peer voip device`: another microphone or loudspeaker, also during a call. Not here: sound (engine/audio.ts). */

import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { VoipVerbCommand } from './voip-command.js';

export class VoipDeviceCommand extends VoipVerbCommand {
  static override paths = [['voip', 'device']];
  static override usage = Command.Usage({
    category: 'Sound',
    description:
      'use another microphone (input) or loudspeaker (output) from now on, also in the call that goes on',
    details: 'Until the VoIP module ends; for good it stands in the config file. Without NAME, the default.',
    examples: [
      ['The headset', '$0 voip device input alsa_input.usb-headset -c peer.ini'],
      ['The default again', '$0 voip device output -c peer.ini'],
    ],
  });

  device = Option.String({ name: 'input|output' });
  name = Option.String({ name: 'NAME', required: false });

  override async perform(): Promise<undefined> {
    if (this.device !== 'input' && this.device !== 'output')
      throw new PeerError('arguments', `${this.device} is neither input nor output`);
    const used = (await this.ask('device', { device: this.device, name: this.name })) as Used;
    const shown = (name: string | null) => name ?? 'the default';
    this.print(used, `microphone: ${shown(used.audioInput)}\nloudspeaker: ${shown(used.audioOutput)}`);
    return undefined;
  }
}

interface Used {
  readonly audioInput: string | null;
  readonly audioOutput: string | null;
}
