/** Role: `peer voip words`: keeps what a comparison of the words showed. Not here: the words (src/voip). */

import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import type { Contact } from '../voip/contacts.js';
import { CallVerbCommand } from './voip-command.js';

const VERDICTS: readonly string[] = ['same', 'different'];

export class VoipWordsCommand extends CallVerbCommand {
  static override paths = [['voip', 'words']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'say whether both of you see the same four words',
    details: 'Read the words of the call to each other. The answer is kept with the contact.',
    examples: [['Nobody stands between', '$0 voip words same -c peer.ini']],
  });

  verdict = Option.String({ name: 'same|different' });

  override async perform(): Promise<undefined> {
    if (!VERDICTS.includes(this.verdict))
      throw new PeerError('arguments', `${this.verdict} is neither same nor different`);
    const contact = (await this.ask('words', { words: this.verdict })) as Contact;
    this.print(contact, `${contact.name}: the words were ${this.verdict}`);
    return undefined;
  }
}
