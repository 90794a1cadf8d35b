/** Role: `peer id export`: a pseudo-identity as a sealed file. Not here: its format (identity/sealed-identity.ts). */

import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { PseudoIdentityStore, publicView } from '../identity/pseudo-identity-store.js';
import { sealIdentity } from '../identity/sealed-identity.js';
import { writePrivateFile } from '../private-files.js';
import { ConfigCommand } from './command.js';
import { askPassphrase } from './passphrase.js';

export class IdExportCommand extends ConfigCommand {
  static override paths = [['id', 'export']];
  static override usage = Command.Usage({
    category: 'Identities',
    description:
      'write a pseudo-identity into a file, sealed by a passphrase, as a backup or for another machine',
    details: 'Only one peer at a time should use it: two that do displace each other.',
    examples: [['A backup', '$0 id export family family.peer-id -c peer.ini']],
  });

  name = Option.String({ name: 'NAME' });
  file = Option.String({ name: 'FILE' });
  passphraseFile = Option.String('--passphrase-file', { description: 'its first line is the passphrase' });

  override async perform(): Promise<undefined> {
    const identity = await new PseudoIdentityStore(this.loadConfig().stateDir).load(this.name);
    const passphrase = await askPassphrase(this.passphraseFile, 'passphrase for the file');
    if (this.passphraseFile === undefined && (await askPassphrase(undefined, 'once more')) !== passphrase)
      throw new PeerError('passphrase', 'the two were not the same');
    await writePrivateFile(this.file, sealIdentity(identity, passphrase), { exclusive: true });
    this.print({ ...publicView(identity), file: this.file }, `${this.name} is in ${this.file}`);
    return undefined;
  }
}
