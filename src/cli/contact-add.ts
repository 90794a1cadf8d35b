/** Role: `peer contact add`: gives a pseudo-identity a name. Not here: the file (src/voip/contacts.ts). */

import { Command, Option } from 'clipanion';
import { Contacts } from '../voip/contacts.js';
import { ConfigCommand } from './command.js';

export class ContactAddCommand extends ConfigCommand {
  static override paths = [['contact', 'add']];
  static override usage = Command.Usage({
    category: 'Contacts',
    description: 'give a pseudo-identity a name',
    examples: [['A friend', '$0 contact add alice ID -c peer.ini']],
  });

  name = Option.String({ name: 'NAME' });
  id = Option.String({ name: 'ID' });

  override async perform(): Promise<undefined> {
    const contact = await new Contacts(this.loadConfig().stateDir).add(this.name, this.id);
    this.print(contact, `${contact.name}  ${contact.id}`);
    return undefined;
  }
}
