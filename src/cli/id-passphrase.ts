/** Role: `peer id passphrase`: keeps a pseudo-identity under a passphrase. Not here: its form (identity/sealed-identity.ts). */

import { Command, Option } from 'clipanion';
import { PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { openSealedIdentity, sealIdentity } from '../identity/sealed-identity.js';
import { ConfigCommand } from './command.js';
import { askNewPassphrase, askPassphrase } from './passphrase.js';

export class IdPassphraseCommand extends ConfigCommand {
  static override paths = [['id', 'passphrase']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'keep a pseudo-identity under a passphrase, change it, or take it off',
    details: `
      Whoever gets the files of this peer can then neither be called nor call as this pseudo-identity. Contacts and the call log
      are not protected by it. Each time that the VoIP module has started, \`peer id unlock\` lets it use the
      pseudo-identity. A disk may keep what stood in the file before.
    `,
    examples: [
      ['Give it one, or another one', '$0 id passphrase family -c peer.ini'],
      ['Take it off', '$0 id passphrase family --remove -c peer.ini'],
    ],
  });

  name = Option.String({ name: 'NAME' });
  remove = Option.Boolean('--remove', false, { description: 'keep it without a passphrase' });
  passphraseFile = Option.String('--passphrase-file', {
    description: 'its first line is the present passphrase',
  });
  newPassphraseFile = Option.String('--new-passphrase-file', {
    description: 'its first line is the new passphrase',
  });

  override async perform(): Promise<undefined> {
    const store = new PseudoIdentityStore(this.loadConfig().stateDir);
    const { sealed, identity: open } = await store.read(this.name);
    const identity =
      open ?? openSealedIdentity(sealed, await askPassphrase(this.passphraseFile, 'passphrase'));
    const passphrase = this.remove ? null : await askNewPassphrase(this.newPassphraseFile, 'new passphrase');
    await store.replace(identity, passphrase === null ? null : sealIdentity(identity, passphrase));
    const hasPassphrase = passphrase !== null;
    const text = hasPassphrase
      ? `${this.name} is under a passphrase; when the VoIP module starts again: peer id unlock ${this.name}`
      : `${this.name} has no passphrase`;
    this.print({ name: this.name, hasPassphrase }, text);
    return undefined;
  }
}
