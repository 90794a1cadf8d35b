/** Role: `peer test attackers`: which attackers there are. Not here: the attackers (src/testing/attackers). */

import { Command } from 'clipanion';
import { PeerCommand } from './command.js';

export class TestAttackersCommand extends PeerCommand {
  static override paths = [['test', 'attackers']];
  static override usage = Command.Usage({
    category: 'Tests',
    description: 'list the attackers, and by which counters honest peers show each',
    examples: [['All of them', '$0 test attackers']],
  });

  override async perform(): Promise<undefined> {
    const { ATTACKERS } = await import('../testing/attackers/registry.js');
    const listed = ATTACKERS.map(({ name, what, counters }) => ({ name, what, counters }));
    const width = Math.max(...listed.map(({ name }) => name.length));
    this.print(listed, listed.map(({ name, what }) => `${name.padEnd(width)}  ${what}`).join('\n'));
    return undefined;
  }
}
