/** Role: `peer id export`: a pseudo-identity as a sealed file. Not here: its format (identity/sealed-identity.ts). */

import { Command, Option } from 'clipanion';
import { type NamedPseudoIdentity, PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { sealIdentity } from '../identity/sealed-identity.js';
import { writePrivateFile } from '../private-files.js';
import { ConfigCommand } from './command.js';
import { askNewPassphrase } from './passphrase.js';

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
    const kept = await new PseudoIdentityStore(this.loadConfig().stateDir).read(this.name);
    const sealed = kept.sealed ?? (await this.#seal(kept.identity));
    await writePrivateFile(this.file, sealed, { exclusive: true });
    const { name, id, createdSeconds } = kept;
    const own = kept.sealed === null ? '' : ', under the passphrase that it has';
    this.print({ name, id, createdSeconds, file: this.file }, `${name} is in ${this.file}${own}`);
    return undefined;
  }

  async #seal(identity: NamedPseudoIdentity): Promise<string> {
    const passphrase = await askNewPassphrase(this.passphraseFile, 'passphrase for the file');
    return sealIdentity(identity, passphrase);
  }
}
