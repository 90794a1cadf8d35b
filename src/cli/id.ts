/** Role: `peer id`: the identity of this peer. Not here: pseudo-identities (id-new.ts, id-list.ts, id-remove.ts). */

import { Command } from 'clipanion';
import { loadHostkey } from '../identity/hostkey.js';
import { ConfigCommand } from './command.js';

export class IdCommand extends ConfigCommand {
  static override paths = [['id']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'print the peer identity (SHA-256 of the public hostkey)',
    examples: [['The identity of this peer', '$0 id -c peer.ini']],
  });

  override async perform(): Promise<undefined> {
    const { identity, warnings } = await loadHostkey(this.loadConfig().hostkeyPath);
    for (const warning of warnings) this.progress(`peer: warning: ${warning}`);
    const text = identity.toString('hex');
    this.print({ identity: text }, text);
    return undefined;
  }
}
