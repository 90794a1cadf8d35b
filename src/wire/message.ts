/**
 * Role: one union of all API messages, with one encoder and one decoder.
 *
 * Invariants: `decodeMessage` is total: any bytes give a message or a violation, never an exception.
 * Encoding what was decoded gives the same bytes, save reserved ones.
 *
 * Not here: which module may receive which type (api/server.ts), framing (api/framing.ts).
 */

import { type DhtMessage, decodeDhtMessage, encodeDhtMessage } from './dht.js';
import { type Decoded, HEADER_BYTES, MESSAGE_TYPE, violation } from './header.js';
import { decodeKxMessage, encodeKxMessage, type KxMessage } from './kx.js';

export { HEADER_BYTES, MAX_MESSAGE_BYTES, MESSAGE_TYPE } from './header.js';
export type { PeerAddress } from './peer-address.js';

export type ApiMessage = DhtMessage | KxMessage;

/** The number that stands on the wire for each message. */
export const TYPE_NUMBER: Readonly<Record<ApiMessage['type'], number>> = {
  'dht-put': MESSAGE_TYPE.dhtPut,
  'dht-get': MESSAGE_TYPE.dhtGet,
  'dht-trace': MESSAGE_TYPE.dhtTrace,
  'dht-get-reply': MESSAGE_TYPE.dhtGetReply,
  'dht-trace-reply': MESSAGE_TYPE.dhtTraceReply,
  'dht-error': MESSAGE_TYPE.dhtError,
  'kx-build-incoming': MESSAGE_TYPE.kxBuildIncoming,
  'kx-build-outgoing': MESSAGE_TYPE.kxBuildOutgoing,
  'kx-ready': MESSAGE_TYPE.kxReady,
  'kx-destroy': MESSAGE_TYPE.kxDestroy,
  'kx-error': MESSAGE_TYPE.kxError,
};

/** The whole message with its header. Throws RangeError if a field does not fit its place. */
export function encodeMessage(message: ApiMessage): Buffer {
  switch (message.type) {
    case 'dht-put':
    case 'dht-get':
    case 'dht-trace':
    case 'dht-get-reply':
    case 'dht-trace-reply':
    case 'dht-error':
      return encodeDhtMessage(message);
    case 'kx-build-incoming':
    case 'kx-build-outgoing':
    case 'kx-ready':
    case 'kx-destroy':
    case 'kx-error':
      return encodeKxMessage(message);
  }
}

/** `frame` is one whole message with its header. Buffers in the result are copies. */
export function decodeMessage(frame: Buffer): Decoded<ApiMessage> {
  if (frame.length < HEADER_BYTES)
    return violation(`a message has at least 4 bytes, this has ${frame.length}`);
  const size = frame.readUInt16BE(0);
  if (size !== frame.length)
    return violation(`the header says ${size} bytes, the message has ${frame.length}`);
  const type = frame.readUInt16BE(2);
  if (type >= MESSAGE_TYPE.dhtPut && type <= MESSAGE_TYPE.dhtError) return decodeDhtMessage(type, frame);
  if (type >= MESSAGE_TYPE.kxBuildIncoming && type <= MESSAGE_TYPE.kxError)
    return decodeKxMessage(type, frame);
  return violation(`unknown message type ${type}`);
}
