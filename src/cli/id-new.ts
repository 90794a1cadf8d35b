/** Role: `peer id new NAME`: makes a pseudo-identity. Not here: its publication (src/voip). */

import { Command, Option } from 'clipanion';
import { PseudoIdentityStore, publicView } from '../identity/pseudo-identity-store.js';
import { ConfigCommand } from './command.js';

export class IdNewCommand extends ConfigCommand {
  static override paths = [['id', 'new']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'make a pseudo-identity, under which you can be called',
    examples: [['One for the family', '$0 id new family -c peer.ini']],
  });

  name = Option.String({ name: 'NAME' });

  override async perform(): Promise<undefined> {
    const view = publicView(await new PseudoIdentityStore(this.loadConfig().stateDir).new(this.name));
    this.print(view, view.id);
    return undefined;
  }
}
