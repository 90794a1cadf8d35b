/** Role: `peer id remove NAME`: forgets a pseudo-identity for ever. Not here: taking its record out of the DHT. */

import { Command, Option } from 'clipanion';
import { PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { ConfigCommand } from './command.js';

export class IdRemoveCommand extends ConfigCommand {
  static override paths = [['id', 'remove']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'remove a pseudo-identity; nobody can ever use it again',
    examples: [['Give up an identity', '$0 id remove family -c peer.ini']],
  });

  name = Option.String({ name: 'NAME' });

  override async perform(): Promise<undefined> {
    await new PseudoIdentityStore(this.loadConfig().stateDir).remove(this.name);
    this.print({ removed: this.name }, `removed ${this.name}`);
    return undefined;
  }
}
