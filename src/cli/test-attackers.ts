/** Role: `peer test attackers`: which attackers there are. Not here: the attackers (src/testing/attackers). */

import { Command } from 'clipanion';
import { PeerCommand } from './command.js';

export class TestAttackersCommand extends PeerCommand {
  static override paths = [['test', 'attackers']];
  static override usage = Command.Usage({
    category: 'Tests',
    description: 'list the attackers, what they can wait for, and by which counters honest peers show each',
    examples: [['All of them', '$0 test attackers']],
  });

  override async perform(): Promise<undefined> {
    const [{ ATTACKERS }, { PLACES }] = await Promise.all([
      import('../testing/attackers/registry.js'),
      import('../testing/attackers/attacker.js'),
    ]);
    const listed = ATTACKERS.map(({ name, what, counters, waitsFor = null }) => ({
      ...{ name, what, counters, waitsFor },
    }));
    const width = Math.max(...listed.map(({ name }) => name.length));
    const waits = (place: keyof typeof PLACES | null) =>
      place === null ? '' : ` (--wait: until ${PLACES[place]})`;
    const lines = listed.map(
      ({ name, what, waitsFor }) => `${name.padEnd(width)}  ${what}${waits(waitsFor)}`,
    );
    this.print(listed, lines.join('\n'));
    return undefined;
  }
}
