/** Role: `peer id import`: a pseudo-identity out of a sealed file. Not here: its format (identity/sealed-identity.ts). */

import { readFile } from 'node:fs/promises';
import { Command, Option } from 'clipanion';
import { PeerError } from '../errors.js';
import { PseudoIdentityStore, publicView } from '../identity/pseudo-identity-store.js';
import { openSealedIdentity } from '../identity/sealed-identity.js';
import { ConfigCommand } from './command.js';
import { askPassphrase } from './passphrase.js';

export class IdImportCommand extends ConfigCommand {
  static override paths = [['id', 'import']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'take a pseudo-identity from a file that peer id export made',
    examples: [['On the new machine', '$0 id import family.peer-id -c peer.ini']],
  });

  file = Option.String({ name: 'FILE' });
  passphraseFile = Option.String('--passphrase-file', { description: 'its first line is the passphrase' });

  override async perform(): Promise<undefined> {
    const store = new PseudoIdentityStore(this.loadConfig().stateDir);
    const text = await readFile(this.file, 'utf8').catch((cause) => {
      throw new PeerError('sealed-identity', `cannot read ${this.file}: ${cause.message}`, { cause });
    });
    const passphrase = await askPassphrase(this.passphraseFile, 'passphrase of the file');
    const identity = openSealedIdentity(text, passphrase);
    await store.add(identity);
    this.print(publicView(identity), `${identity.name}  ${publicView(identity).id}`);
    return undefined;
  }
}
