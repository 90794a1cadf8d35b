/** Role: `peer id unlock`: lets the running VoIP module use a pseudo-identity that a passphrase protects. */

import { Command, Option } from 'clipanion';
import { controlSocketPath } from '../api/control.js';
import { ControlClient } from '../api/control-client.js';
import { PeerError } from '../errors.js';
import { PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { openSealedIdentity } from '../identity/sealed-identity.js';
import { ConfigCommand } from './command.js';
import { askPassphrase } from './passphrase.js';

const SEED_BYTES = 32;

export class IdUnlockCommand extends ConfigCommand {
  static override paths = [['id', 'unlock']];
  static override usage = Command.Usage({
    category: 'Identities',
    description:
      'let the running VoIP module use a pseudo-identity that a passphrase protects, until it ends',
    examples: [['After each start', '$0 id unlock family -c peer.ini']],
  });

  name = Option.String({ name: 'NAME' });
  passphraseFile = Option.String('--passphrase-file', { description: 'its first line is the passphrase' });

  override async perform(): Promise<undefined> {
    const config = this.loadConfig();
    const { sealed } = await new PseudoIdentityStore(config.stateDir).read(this.name);
    if (sealed === null)
      throw new PeerError('identity-open', `${this.name} is not protected by a passphrase`);
    const client = await ControlClient.connect(controlSocketPath(config, 'voip'));
    try {
      const passphrase = await askPassphrase(this.passphraseFile, 'passphrase');
      const { secretKey } = openSealedIdentity(sealed, passphrase);
      // By the socket that only this user can open.
      const seed = secretKey.subarray(0, SEED_BYTES).toString('hex');
      const view = await client.request('unlock', { name: this.name, seed });
      this.print(view, `${this.name} can be used until the VoIP module ends`);
    } finally {
      client.close();
    }
    return undefined;
  }
}
