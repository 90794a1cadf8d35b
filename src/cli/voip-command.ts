/**
 * Role: what the verbs of `peer voip` share: asking the running VoIP module through its control socket.
 *
 * Not here: any single verb.
 */

import { Option } from 'clipanion';
import { controlSocketPath } from '../api/control.js';
import { ControlClient } from '../api/control-client.js';
import { PeerError } from '../errors.js';
import type { CallView } from '../voip/call.js';
import { describeCall } from '../voip/call-text.js';
import { ConfigCommand } from './command.js';

const DIAL_TIMEOUT_MS = 10_000;

export abstract class VoipVerbCommand extends ConfigCommand {
  /** Connects to this peer's VoIP module. Errors: 'not-running', 'control-denied', 'config'. */
  protected async connect(): Promise<ControlClient> {
    const config = this.loadConfig();
    try {
      return await ControlClient.connect(controlSocketPath(config, 'voip'));
    } catch (cause) {
      if (!(cause instanceof PeerError) || cause.code !== 'not-running') throw cause;
      throw new PeerError('not-running', 'the VoIP module of this peer is not running', {
        cause,
        remedy: `start it with: peer up -c ${config.file}`,
      });
    }
  }

  /** One request, answered. */
  protected async ask(verb: string, args: unknown = {}): Promise<unknown> {
    const client = await this.connect();
    try {
      return await client.request(verb, args, { timeoutMs: DIAL_TIMEOUT_MS });
    } finally {
      client.close();
    }
  }
}

/** A verb about one of the calls that there are. */
export abstract class CallVerbCommand extends VoipVerbCommand {
  call = Option.String('--call', {
    description:
      'number of the call, where there are several (peer status); default: the one that speaks or rings',
  });

  protected override ask(verb: string, args: object = {}): Promise<unknown> {
    return super.ask(verb, { ...args, ...(this.call === undefined ? {} : { call: numberOf(this.call) }) });
  }

  /** One verb that returns the call, printed. */
  protected async act(verb: string, args: object = {}): Promise<undefined> {
    const call = (await this.ask(verb, args)) as CallView;
    this.print(call, describeCall(call));
    return undefined;
  }
}

function numberOf(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new PeerError('arguments', `${text} is not the number of a call`, {
    remedy: 'peer status shows the calls and their numbers',
  });
}
