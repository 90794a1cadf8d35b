/** Role: `peer voip loopback`: hear yourself as others would, without any network. Not here: sound (engine/audio.ts). */

import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { ConfigCommand } from './command.js';

const EVERY_MS = 1_000;
const MOST_SECONDS = 600;
/** What a level of so many dB looks like. */
const BAR = { floorDb: -60, width: 30 };

export class VoipLoopbackCommand extends ConfigCommand {
  static override paths = [['voip', 'loopback']];
  static override usage = Command.Usage({
    category: 'Sound',
    description: 'test microphone and loudspeaker: you hear yourself as others would',
    details:
      'Through codec, encryption and jitter buffer, on this machine alone. Wear headphones. Ctrl-C ends it.',
    examples: [['Ten seconds', '$0 voip loopback -c peer.ini']],
  });

  seconds = Option.String('--seconds', '10', { description: 'how long; 10 if not given' });

  override async perform(): Promise<number> {
    const seconds = Number(this.seconds);
    if (!(seconds > 0 && seconds <= MOST_SECONDS))
      throw new PeerError('arguments', `--seconds must be between 0 and ${MOST_SECONDS}`);
    const { voip } = this.loadConfig();
    if (voip === null) throw new PeerError('config', 'this peer has no section [VOIP]');
    const { VoiceLine } = await import('../engine/audio.js');
    const { audioServer, audioInput, audioOutput, bitrate } = voip;
    /** Devices that are not there, and for which none stands in. */
    const lost = new Map<string, string>();
    const line = VoiceLine.loopback(
      {
        bitrate,
        server: audioServer,
        ...(audioInput === null ? {} : { input: audioInput }),
        ...(audioOutput === null ? {} : { output: audioOutput }),
      },
      (event) => {
        if (event.type === 'deviceLost') {
          lost.set(event.device, event.reason);
          this.progress(`${event.device}: ${event.reason}`);
        } else if (event.type === 'deviceReady') {
          lost.delete(event.device);
          this.progress(`${event.device}: ${event.name}`);
        }
      },
    );
    let stop = () => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const timers = [
      setTimeout(stop, seconds * 1000),
      setInterval(() => {
        const { inputLevel = -100, outputLevel = -100 } = line.statistics() ?? {};
        this.progress(`microphone ${bar(inputLevel)}  loudspeaker ${bar(outputLevel)}`);
      }, EVERY_MS),
    ];
    process.on('SIGINT', stop);
    await stopped;
    process.off('SIGINT', stop);
    for (const timer of timers) clearTimeout(timer);
    const statistics = line.statistics();
    await line.close();
    for (const [device, reason] of lost) {
      throw new PeerError('sound', `no ${device} device: ${reason}`, {
        remedy: 'peer voip devices lists those there are',
      });
    }
    this.print(
      statistics,
      `${statistics?.received ?? 0} frames went round, ${statistics?.lost ?? 0} were lost`,
    );
    return 0;
  }
}

function bar(levelDb: number): string {
  const share = Math.min(1, Math.max(0, 1 - levelDb / BAR.floorDb));
  return `[${'#'.repeat(Math.round(share * BAR.width)).padEnd(BAR.width)}]`;
}
