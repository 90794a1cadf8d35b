/** Role: `peer contact remove`. Not here: the file (src/voip/contacts.ts). */

import { Command, Option } from 'clipanion';
import { Contacts } from '../voip/contacts.js';
import { ConfigCommand } from './command.js';

export class ContactRemoveCommand extends ConfigCommand {
  static override paths = [['contact', 'remove']];
  static override usage = Command.Usage({
    category: 'Contacts',
    description: 'remove a contact',
    examples: [['By name', '$0 contact remove alice -c peer.ini']],
  });

  name = Option.String({ name: 'NAME' });

  override async perform(): Promise<undefined> {
    await new Contacts(this.loadConfig().stateDir).remove(this.name);
    this.print({ removed: this.name }, `removed ${this.name}`);
    return undefined;
  }
}
