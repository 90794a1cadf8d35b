/** Role: `peer voip devices`: the microphones and loudspeakers that there are. Not here: sound (engine/audio.ts). */

import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { PeerCommand } from './command.js';

const SERVERS = ['auto', 'pulse', 'pipewire'] as const;

export class VoipDevicesCommand extends PeerCommand {
  static override paths = [['voip', 'devices']];
  static override usage = Command.Usage({
    category: 'Sound',
    description: 'list the microphones and loudspeakers of the sound server',
    details: 'The names are what AUDIO_INPUT and AUDIO_OUTPUT and `peer voip device` take.',
    examples: [
      ['All of them', '$0 voip devices'],
      ['Those of PipeWire itself', '$0 voip devices --server pipewire'],
    ],
  });

  server = Option.String('--server', 'auto', {
    description: 'auto, pulse or pipewire, as AUDIO_SERVER; auto if not given',
  });

  override async perform(): Promise<undefined> {
    const server = SERVERS.find((name) => name === this.server);
    if (server === undefined) throw new PeerError('arguments', '--server must be auto, pulse or pipewire');
    const { listAudioDevices } = await import('../engine/audio.js');
    const devices = await listAudioDevices(server);
    const lines = devices.map(({ kind, name, description, isDefault, isMonitor }) => {
      const notes = [...(isDefault ? ['default'] : []), ...(isMonitor ? ['records what is played'] : [])];
      return `${kind.padEnd(6)}  ${name}  ${description}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
    });
    this.print(devices, lines.length === 0 ? 'the sound server has no devices' : lines.join('\n'));
    return undefined;
  }
}
