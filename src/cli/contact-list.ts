/** Role: `peer contact list`. Not here: the file (src/voip/contacts.ts). */

import { Command } from 'clipanion';
import { Contacts } from '../voip/contacts.js';
import { ConfigCommand } from './command.js';

export class ContactListCommand extends ConfigCommand {
  static override paths = [['contact', 'list']];
  static override usage = Command.Usage({
    category: 'Contacts',
    description: 'list the contacts',
    examples: [['All of them', '$0 contact list -c peer.ini']],
  });

  override async perform(): Promise<undefined> {
    const contacts = await new Contacts(this.loadConfig().stateDir).list();
    const text = contacts.map(({ name, id }) => `${name}  ${id}`).join('\n');
    this.print(contacts, text === '' ? 'no contacts; peer contact add NAME ID adds one' : text);
    return undefined;
  }
}
