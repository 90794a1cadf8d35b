/** Role: `peer id list`: the pseudo-identities of this peer. Never shows secrets. */

import { Command } from 'clipanion';
import { PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { ConfigCommand } from './command.js';

export class IdListCommand extends ConfigCommand {
  static override paths = [['id', 'list']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'list the pseudo-identities of this peer',
    examples: [['All of them', '$0 id list -c peer.ini']],
  });

  override async perform(): Promise<undefined> {
    const kept = await new PseudoIdentityStore(this.loadConfig().stateDir).kept();
    const views = kept.map(({ name, id, createdSeconds, sealed }) => ({
      ...{ name, id, createdSeconds },
      hasPassphrase: sealed !== null,
    }));
    const width = Math.max(0, ...views.map(({ name }) => name.length));
    const lines = views.map(
      ({ name, id, hasPassphrase }) =>
        `${name.padEnd(width)}  ${id}${hasPassphrase ? '  (under a passphrase)' : ''}`,
    );
    const text =
      lines.length === 0 ? 'no pseudo-identities yet; peer id new NAME makes one' : lines.join('\n');
    this.print(views, text);
    return undefined;
  }
}
