/** Role: `peer test proxy-rules`: the rules of a proxy that runs. Not here: the rules (src/testing/proxy). */

import { Command, Option, UsageError } from 'clipanion';
import { ControlClient } from '../api/control-client.js';
import { PeerError } from '../errors.js';
import type { ListedRule } from '../testing/proxy/rule-set.js';
import { PeerCommand } from './command.js';

export class TestProxyRulesCommand extends PeerCommand {
  static override paths = [['test', 'proxy-rules']];
  static override usage = Command.Usage({
    category: 'Tests',
    description: 'list, add, remove and change the rules of a proxy that runs',
    examples: [
      ['What is in force, and how often it applied', '$0 test proxy-rules --control proxy.sock list'],
      [
        'Drop every second reply',
        `$0 test proxy-rules --control proxy.sock add '{"name": "deaf", "action": "drop", "direction": "to-client", "probability": 0.5}'`,
      ],
      ['All of them', `$0 test proxy-rules --control proxy.sock change deaf '{"probability": 1}'`],
      ['No more', '$0 test proxy-rules --control proxy.sock remove deaf'],
    ],
  });

  control = Option.String('--control', { required: true, description: 'path of the control socket' });
  words = Option.Rest({ name: 'list | add RULE | remove NAME | change NAME FIELDS', required: 1 });

  override async perform(): Promise<undefined> {
    const request = parseWords(this.words);
    const client = await connect(this.control);
    try {
      const result = await client.request(request.verb, request.args);
      if (request.verb === 'list') this.print(result, describe(result as ListedRule[]));
      else this.print({ done: true }, 'done');
    } finally {
      client.close();
    }
    return undefined;
  }
}

function parseWords(words: readonly string[]): { verb: string; args?: unknown } {
  const [verb = '', first, second] = words;
  if (verb === 'list' && words.length === 1) return { verb };
  if (verb === 'add' && words.length === 2) return { verb, args: parseJson(first) };
  if (verb === 'remove' && words.length === 2) return { verb, args: { name: first } };
  if (verb === 'change' && words.length === 3)
    return { verb, args: { name: first, fields: parseJson(second) } };
  throw new UsageError('expected list, add RULE, remove NAME, or change NAME FIELDS');
}

function parseJson(text = ''): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`expected JSON, not ${text}: ${(error as Error).message}`);
  }
}

async function connect(path: string): Promise<ControlClient> {
  try {
    return await ControlClient.connect(path);
  } catch (error) {
    if (!(error instanceof PeerError) || error.code !== 'not-running') throw error;
    const remedy = 'start the proxy with: peer test proxy … --control SOCKET';
    throw new PeerError(error.code, error.message, { cause: error, remedy });
  }
}

function describe(rules: readonly ListedRule[]): string {
  const lines = rules.map(
    ({ rule, seen, applied }) => `${rule.name}: applied to ${applied} of ${seen}\n  ${JSON.stringify(rule)}`,
  );
  return lines.length === 0 ? 'no rules' : lines.join('\n');
}
