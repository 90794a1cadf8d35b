/** Role: a call as one line for a person. Not here: the call (call.ts), the screen (screen/). */

import { type CallView, END_TEXT } from './call.js';

/** One line for a person. */
export function describeCall(call: CallView): string {
  const who = call.contact ?? call.remote;
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
      return `${talking(call)} ${who}${call.muted ? ', muted' : ''}${words(call)}`;
    case 'ended': {
      const detail = call.detail === undefined ? '' : ` (${call.detail})`;
      return `call ended: ${call.reason === undefined ? 'unknown reason' : END_TEXT[call.reason]}${detail}`;
    }
  }
}

function talking({ held, heldByRemote, interrupted }: CallView): string {
  if (interrupted) return 'connection lost, trying again:';
  if (held) return 'on hold:';
  return heldByRemote ? 'put on hold by' : 'talking with';
}

function words({ words }: CallView): string {
  return words === undefined ? '' : ` [${words}]`;
}
