/**
 * Role: what the verbs of `peer voip` share: asking the running VoIP module through its control socket.
 *
 * Not here: any single verb.
 */

import { controlSocketPath } from '../api/control.js';
import { ControlClient } from '../api/control-client.js';
import { PeerError } from '../errors.js';
import { type CallView, END_TEXT } from '../voip/call.js';
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

  /** One verb that returns the call, printed. */
  protected async act(verb: string, args: unknown = {}): Promise<undefined> {
    const client = await this.connect();
    try {
      const call = (await client.request(verb, args, { timeoutMs: DIAL_TIMEOUT_MS })) as CallView;
      this.print(call, describeCall(call));
    } finally {
      client.close();
    }
    return undefined;
  }
}

/** One line for a person. */
export function describeCall(call: CallView): string {
  const who = call.contact ?? call.remote;
  const muted = call.muted ? ', muted' : '';
  switch (call.state) {
    case 'looking-up':
      return `looking up ${who} …`;
    case 'building':
      return 'building a tunnel …';
    case 'connecting':
      return 'connecting …';
    case 'ringing':
      return call.direction === 'outgoing' ? `ringing at ${who} …` : `${who} is calling`;
    case 'active':
      return `talking with ${who}${muted}`;
    case 'ended': {
      const detail = call.detail === undefined ? '' : ` (${call.detail})`;
      return `call ended: ${call.reason === undefined ? 'unknown reason' : END_TEXT[call.reason]}${detail}`;
    }
  }
}
