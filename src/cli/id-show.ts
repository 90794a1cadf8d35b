/** Role: `peer id show`: one pseudo-identity, also as a QR code to be scanned. Never shows secrets. */

import { Command, Option } from 'clipanion';
import { PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { ConfigCommand } from './command.js';
import { qrText } from './qr-text.js';

export class IdShowCommand extends ConfigCommand {
  static override paths = [['id', 'show']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'show a pseudo-identity, as text or as a QR code',
    examples: [
      ['To copy it', '$0 id show family -c peer.ini'],
      ['To let somebody scan it', '$0 id show family --qr -c peer.ini'],
    ],
  });

  name = Option.String({ name: 'NAME' });
  qr = Option.Boolean('--qr', false, { description: 'also as a QR code' });

  override async perform(): Promise<undefined> {
    const store = new PseudoIdentityStore(this.loadConfig().stateDir);
    const { name, id, createdSeconds } = await store.read(this.name);
    const view = { name, id, createdSeconds };
    if (!this.qr) {
      this.print(view, view.id);
      return undefined;
    }
    const isTerminal = 'isTTY' in this.context.stdout && this.context.stdout.isTTY === true;
    // In upper case, which `peer contact add` takes as well, the code is a size smaller.
    const qr = qrText(view.id.toUpperCase(), isTerminal && !this.json);
    this.print({ ...view, qr: qr.split('\n') }, `${qr}\n${view.id}`);
    return undefined;
  }
}
