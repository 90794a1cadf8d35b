/** Role: `peer id answer`: who may ring at a pseudo-identity. Not here: the rules (src/voip/caller-rules.ts). */

import { Command, Option } from 'clipanion';
import { steadyClock } from '../clock.js';
import { PeerError } from '../errors.js';
import { PseudoIdentityStore } from '../identity/pseudo-identity-store.js';
import { ANSWER_RULES, type AnswerRule, CallerRules } from '../voip/caller-rules.js';
import { ConfigCommand } from './command.js';

export class IdAnswerCommand extends ConfigCommand {
  static override paths = [['id', 'answer']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'say who may ring at a pseudo-identity: everyone, contacts or nobody',
    details: `
      Whoever may not ring hears it ring until it gives up, as if nobody were there. It takes effect at once. Without WHO,
      tells who may.
    `,
    examples: [
      ['Only people I know', '$0 id answer family contacts -c peer.ini'],
      ['Do not disturb', '$0 id answer family nobody -c peer.ini'],
    ],
  });

  name = Option.String({ name: 'NAME' });
  who = Option.String({ name: 'WHO', required: false });

  override async perform(): Promise<undefined> {
    const { stateDir } = this.loadConfig();
    const identities = await new PseudoIdentityStore(stateDir).kept();
    if (!identities.some(({ name }) => name === this.name)) {
      throw new PeerError('identity-missing', `there is no pseudo-identity named ${this.name}`, {
        remedy: 'peer id list shows those there are',
      });
    }
    const rules = new CallerRules(stateDir, steadyClock);
    if (this.who !== undefined) await rules.setRule(this.name, ruleOf(this.who));
    const answer = await rules.ruleOf(this.name);
    this.print({ name: this.name, answer }, `${this.name}: ${answer} may ring`);
    return undefined;
  }
}

function ruleOf(who: string): AnswerRule {
  const rule = ANSWER_RULES.find((known) => known === who);
  if (rule !== undefined) return rule;
  throw new PeerError('arguments', `${who} is none of ${ANSWER_RULES.join(', ')}`);
}
