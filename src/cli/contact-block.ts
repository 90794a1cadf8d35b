/** Role: `peer contact block`: who may not ring at all. Not here: the rules (src/voip/caller-rules.ts). */

import { Command, Option } from 'clipanion';
import { steadyClock } from '../clock.js';
import { formatPseudoIdentity } from '../identity/pseudo-identity.js';
import { CallerRules } from '../voip/caller-rules.js';
import { Contacts } from '../voip/contacts.js';
import { ConfigCommand } from './command.js';

export class ContactBlockCommand extends ConfigCommand {
  static override paths = [['contact', 'block']];
  static override usage = Command.Usage({
    category: 'Contacts',
    description: 'keep a caller from ringing, or with --off let it again',
    details:
      'It hears it ring until it gives up, as if nobody were there. Without WHO, lists who is blocked.',
    examples: [['Never again', '$0 contact block mallory -c peer.ini']],
  });

  who = Option.String({ name: 'WHO', required: false });
  off = Option.Boolean('--off', false, { description: 'let it ring again' });

  override async perform(): Promise<undefined> {
    const { stateDir } = this.loadConfig();
    const rules = new CallerRules(stateDir, steadyClock);
    if (this.who === undefined) {
      const blocked = await rules.blocked();
      this.print(blocked, blocked.length === 0 ? 'nobody is blocked' : blocked.join('\n'));
      return undefined;
    }
    const remote = await new Contacts(stateDir).resolve(this.who);
    await (this.off ? rules.unblock(remote) : rules.block(remote));
    const view = { id: formatPseudoIdentity(remote), blocked: !this.off };
    this.print(view, `${this.who} ${this.off ? 'may ring again' : 'does not ring any more'}`);
    return undefined;
  }
}
