/** Role: `peer test attacker`: runs an attacker until it is told to stop. Not here: the attackers (src/testing/attackers). */

import { randomInt } from 'node:crypto';
import { Command, Option, UsageError } from 'clipanion';
import type { AttackProgress } from '../testing/attackers/run-attack.js';
import { ConfigCommand } from './command.js';

const OWN_NETWORKS =
  'This attacks the peers that the config names. It is for networks of your own: nobody else has asked for it.';

export class TestAttackerCommand extends ConfigCommand {
  static override paths = [['test', 'attacker']];
  static override usage = Command.Usage({
    category: 'Tests',
    description: 'misbehave towards the peers that a config names, in networks of your own',
    details: `${OWN_NETWORKS} \`peer test attackers\` lists all, and what those wait for that can wait; docs/attacks has a page on each.`,
    examples: [
      ['A peer that lies in routing, for a minute', '$0 test attacker dht-lie -c attacker.ini --duration 60'],
      [
        'A relay that drops cells once a call goes through it',
        '$0 test attacker kx-drop --wait -c attacker.ini',
      ],
      ['Clients that are slow, against the APIs of this peer', '$0 test attacker api-slow -c peer.ini'],
    ],
  });

  attacker = Option.String({ name: 'name' });
  duration = Option.String('--duration', { description: 'seconds; default: until Ctrl-C' });
  seed = Option.String('--seed', { description: 'whole number that chance follows from; default: any' });
  key = Option.String('--key', {
    description: 'DHT key that it is against, in hexadecimal, where it is against one',
  });

  wait = Option.Boolean('--wait', false, {
    description: 'be an honest peer until it stands where it can do harm, such as on the path of a call',
  });

  override async perform(): Promise<undefined> {
    const durationMs = this.duration === undefined ? null : Number(this.duration) * 1000;
    if (durationMs !== null && !(durationMs > 0 && durationMs < 2 ** 31))
      throw new UsageError(`--duration: expected seconds, not ${this.duration}`);
    const seed = this.seed === undefined ? randomInt(2 ** 32) : Number(this.seed);
    if (!Number.isSafeInteger(seed))
      throw new UsageError(`--seed: expected a whole number, not ${this.seed}`);
    if (this.key !== undefined && !/^[0-9a-f]{64}$/i.test(this.key))
      throw new UsageError(`--key: expected 64 hexadecimal digits, not ${this.key}`);
    const key = this.key === undefined ? null : Buffer.from(this.key, 'hex');
    const config = this.loadConfig();
    const [{ attackerNamed }, { runAttack }] = await Promise.all([
      import('../testing/attackers/registry.js'),
      import('../testing/attackers/run-attack.js'),
    ]);
    const attacker = attackerNamed(this.attacker);
    this.progress(OWN_NETWORKS);
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
    await runAttack(attacker, {
      ...{ config, seed, key, wait: this.wait, durationMs, stop: stop.signal },
      tell: (progress) => this.print(progress, describe(progress)),
    });
    return undefined;
  }
}

function describe({ attacker, seed, state, seconds, counts }: AttackProgress): string {
  const done = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  return `${attacker} (seed ${seed}), ${state}, ${seconds.toFixed(1)} s: ${done.join(', ') || 'nothing yet'}`;
}
