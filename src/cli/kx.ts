/** Role: `peer kx`: runs the KX module. Not here: the module (src/kx). */

import { Command, Option } from 'clipanion';
import { DaemonCommand } from './daemon-command.js';

export class KxCommand extends DaemonCommand {
  static override paths = [['kx']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'run the KX module',
    examples: [
      ['Run the KX of this peer', '$0 kx -c peer.ini'],
      ['With longer tunnels', '$0 kx -c peer.ini --hops 4'],
    ],
  });

  outreachPort = Option.String('--outreach-port', { description: 'overrides OUTREACH_PORT' });
  hops = Option.String('--hops', { description: 'overrides HOPS (at least 3)' });
  tunIp = Option.String('--tun-ip', { description: 'overrides TUN_IP' });
  tunName = Option.String('--tun-name', { description: 'overrides TUN_NAME' });

  override perform(): Promise<number> {
    const { outreachPort, hops, tunIp, tunName } = this;
    return this.runModule(
      'kx',
      { outreachPort, hops, tunIp, tunName },
      async () => (await import('../kx/daemon.js')).startKx,
    );
  }
}
