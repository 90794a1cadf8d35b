/**
 * Role: `peer voip call WHO`: calls somebody and shows the call until it ends.
 *
 * Invariants: Ctrl-C hangs up; exit code 0 if there was a conversation, else 1 with the reason.
 *
 * Not here: the call itself (src/voip).
 */

import { Command, Option } from 'clipanion';
import type { ControlClient } from '../api/control-client.js';
import type { CallView } from '../voip/call.js';
import { describeCall } from '../voip/call-text.js';
import { VoipVerbCommand } from './voip-command.js';

export class VoipCallCommand extends VoipVerbCommand {
  static override paths = [['voip', 'call']];
  static override usage = Command.Usage({
    category: 'Calls',
    description: 'call somebody, by contact name or pseudo-identity',
    details: 'Shows the call until it ends; Ctrl-C hangs up. With --json, one line for each change.',
    examples: [
      ['Call a contact', '$0 voip call alice -c peer.ini'],
      ['Call as one of several pseudo-identities', '$0 voip call alice --from work -c peer.ini'],
    ],
  });

  who = Option.String({ name: 'WHO' });
  from = Option.String('--from', {
    description: 'name of the pseudo-identity that calls; default: the first',
  });

  /** The call that we have begun. */
  #call: { readonly call: number } | null = null;
  #interrupted = false;

  override async perform(): Promise<number> {
    const client = await this.connect();
    // Before there is a call of ours, a hang-up would end somebody else's: it waits until then.
    const hangUp = () => {
      this.#interrupted = true;
      if (this.#call !== null) void client.request('hangup', this.#call).catch(() => client.close());
    };
    process.on('SIGINT', hangUp);
    process.on('SIGTERM', hangUp);
    try {
      return await this.#follow(client);
    } finally {
      process.off('SIGINT', hangUp);
      process.off('SIGTERM', hangUp);
      client.close();
    }
  }

  async #follow(client: ControlClient): Promise<number> {
    let id: number | null = null;
    let answered = false;
    const early: CallView[] = [];
    let finish: (code: number) => void = () => {};
    const finished = new Promise<number>((resolve) => {
      finish = resolve;
    });
    const show = (call: CallView) => {
      if (call.id !== id) return;
      this.print(call, describeCall(call));
      if (call.state === 'active') answered = true;
      if (call.state === 'ended') finish(answered ? 0 : 1);
    };
    client.onEvent = (event, data) => {
      if (event !== 'call') return;
      if (id === null) early.push(data as CallView);
      else show(data as CallView);
    };
    await client.request('subscribe');
    const begun = (await client.request('call', { to: this.who, from: this.from })) as CallView;
    id = begun.id;
    this.#call = { call: id };
    if (this.#interrupted) void client.request('hangup', this.#call).catch(() => client.close());
    for (const call of early) show(call);
    const code = await Promise.race([finished, client.closed.then(() => null)]);
    if (code === null) this.context.stderr.write('peer: the VoIP module has stopped\n');
    return code ?? 1;
  }
}
