/** Role: `peer dht`: runs the DHT module. Not here: the module (src/dht). */

import { Command, Option } from 'clipanion';
import { DaemonCommand } from './daemon-command.js';

export class DhtCommand extends DaemonCommand {
  static override paths = [['dht']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'run the DHT module',
    examples: [['Run the DHT of this peer', '$0 dht -c peer.ini']],
  });

  overlayPort = Option.String('--overlay-port', { description: 'overrides OVERLAY_PORT' });

  override perform(): Promise<number> {
    return this.runModule('dht', { overlayPort: this.overlayPort }, async () => {
      const [{ startDht }, { searchPuzzle }, { ikKey }, { readDhtCertificate }, { releaseMemory }] =
        await Promise.all([
          import('../dht/daemon.js'),
          import('../engine/puzzle.js'),
          import('../engine/ik-handshake.js'),
          import('../engine/dht-certificate.js'),
          import('../engine/memory.js'),
        ]);
      return (config, log) =>
        startDht(config, log, { searchPuzzle, ikKey, readDhtCertificate, releaseMemory });
    });
  }
}
