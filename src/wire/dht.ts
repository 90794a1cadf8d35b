/**
 * Role: codecs of the DHT's API messages, 500 to 505 (Spec 3.1).
 *
 * Invariants: decoders are total; sizes are exact; reserved bytes are sent as zero and ignored on receipt.
 *
 * Not here: what the DHT does with a TTL above 43 200 or a replication of 0 (src/dht).
 */

import {
  allocMessage,
  type Decoded,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  MESSAGE_TYPE,
  shortViolation,
  sizeViolation,
  violation,
} from './header.js';
import {
  copyOf,
  ID_BYTES,
  PEER_ADDRESS_BYTES,
  type PeerAddress,
  readTraceHop,
  requireBytes,
  requireUint,
  writeTraceHop,
} from './peer-address.js';

const PUT_HEAD_BYTES = 44;
const KEYED_BYTES = HEADER_BYTES + ID_BYTES;
const ERROR_BYTES = 40;

/** Most bytes of content in one PUT. (A GET REPLY could carry 8 more.) */
export const MAX_CONTENT_BYTES = MAX_MESSAGE_BYTES - PUT_HEAD_BYTES;
/** Most hops that one TRACE REPLY can carry. */
export const MAX_TRACE_HOPS = Math.floor((MAX_MESSAGE_BYTES - KEYED_BYTES) / PEER_ADDRESS_BYTES);

/** Spec 3.1.1. `ttlSeconds` 0–65535, `replication` 0–255, `content` 0–65 491 bytes. */
export interface DhtPut {
  readonly type: 'dht-put';
  readonly key: Buffer;
  readonly ttlSeconds: number;
  readonly replication: number;
  readonly content: Buffer;
}

/** Spec 3.1.2. */
export interface DhtGet {
  readonly type: 'dht-get';
  readonly key: Buffer;
}

/** Spec 3.1.3. */
export interface DhtTrace {
  readonly type: 'dht-trace';
  readonly key: Buffer;
}

/** Spec 3.1.4: one of these for each content. */
export interface DhtGetReply {
  readonly type: 'dht-get-reply';
  readonly key: Buffer;
  readonly content: Buffer;
}

/** Spec 3.1.5: the target, which is the last hop, comes first. */
export interface DhtTraceReply {
  readonly type: 'dht-trace-reply';
  readonly key: Buffer;
  readonly hops: readonly PeerAddress[];
}

/** Spec 3.1.6: `requestType` is the number of the message that could not be served. */
export interface DhtError {
  readonly type: 'dht-error';
  readonly requestType: number;
  readonly key: Buffer;
}

export type DhtMessage = DhtPut | DhtGet | DhtTrace | DhtGetReply | DhtTraceReply | DhtError;

/** Throws RangeError if a field does not fit its place. */
export function encodeDhtMessage(message: DhtMessage): Buffer {
  requireBytes('key', message.key, ID_BYTES);
  switch (message.type) {
    case 'dht-put':
      return encodePut(message);
    case 'dht-get':
      return encodeKeyed(MESSAGE_TYPE.dhtGet, message.key, 0);
    case 'dht-trace':
      return encodeKeyed(MESSAGE_TYPE.dhtTrace, message.key, 0);
    case 'dht-get-reply': {
      const out = encodeKeyed(MESSAGE_TYPE.dhtGetReply, message.key, message.content.length);
      message.content.copy(out, KEYED_BYTES);
      return out;
    }
    case 'dht-trace-reply': {
      const bytes = message.hops.length * PEER_ADDRESS_BYTES;
      const out = encodeKeyed(MESSAGE_TYPE.dhtTraceReply, message.key, bytes);
      for (const [index, hop] of message.hops.entries()) {
        writeTraceHop(out, KEYED_BYTES + index * PEER_ADDRESS_BYTES, hop);
      }
      return out;
    }
    case 'dht-error': {
      const out = allocMessage(MESSAGE_TYPE.dhtError, ERROR_BYTES);
      requireUint('request type', message.requestType, 0xffff);
      out.writeUInt16BE(message.requestType, 4);
      message.key.copy(out, 8);
      return out;
    }
  }
}

/** `frame` is a whole message whose header has been checked; `type` is 500 to 505. */
export function decodeDhtMessage(type: number, frame: Buffer): Decoded<DhtMessage> {
  switch (type) {
    case MESSAGE_TYPE.dhtPut:
      return decodePut(frame);
    case MESSAGE_TYPE.dhtGet:
      return (
        sizeViolation('DHT GET', frame, KEYED_BYTES) ?? {
          ok: true,
          message: { type: 'dht-get', key: keyAt(frame, 4) },
        }
      );
    case MESSAGE_TYPE.dhtTrace:
      return (
        sizeViolation('DHT TRACE', frame, KEYED_BYTES) ?? {
          ok: true,
          message: { type: 'dht-trace', key: keyAt(frame, 4) },
        }
      );
    case MESSAGE_TYPE.dhtGetReply:
      return decodeGetReply(frame);
    case MESSAGE_TYPE.dhtTraceReply:
      return decodeTraceReply(frame);
    case MESSAGE_TYPE.dhtError:
      return (
        sizeViolation('DHT ERROR', frame, ERROR_BYTES) ?? {
          ok: true,
          message: { type: 'dht-error', requestType: frame.readUInt16BE(4), key: keyAt(frame, 8) },
        }
      );
    default:
      return violation(`${type} is not a DHT message`);
  }
}

function encodePut(message: DhtPut): Buffer {
  requireUint('TTL', message.ttlSeconds, 0xffff);
  requireUint('replication', message.replication, 0xff);
  const out = allocMessage(MESSAGE_TYPE.dhtPut, PUT_HEAD_BYTES + message.content.length);
  message.key.copy(out, 4);
  out.writeUInt16BE(message.ttlSeconds, 36);
  out.writeUInt8(message.replication, 38);
  message.content.copy(out, PUT_HEAD_BYTES);
  return out;
}

function encodeKeyed(type: number, key: Buffer, bodyBytes: number): Buffer {
  const out = allocMessage(type, KEYED_BYTES + bodyBytes);
  key.copy(out, 4);
  return out;
}

function decodePut(frame: Buffer): Decoded<DhtPut> {
  const short = shortViolation('DHT PUT', frame, PUT_HEAD_BYTES);
  if (short !== null) return short;
  return {
    ok: true,
    message: {
      type: 'dht-put',
      key: keyAt(frame, 4),
      ttlSeconds: frame.readUInt16BE(36),
      replication: frame.readUInt8(38),
      content: copyOf(frame, PUT_HEAD_BYTES, frame.length - PUT_HEAD_BYTES),
    },
  };
}

function decodeGetReply(frame: Buffer): Decoded<DhtGetReply> {
  const short = shortViolation('DHT GET REPLY', frame, KEYED_BYTES);
  if (short !== null) return short;
  const content = copyOf(frame, KEYED_BYTES, frame.length - KEYED_BYTES);
  return { ok: true, message: { type: 'dht-get-reply', key: keyAt(frame, 4), content } };
}

function decodeTraceReply(frame: Buffer): Decoded<DhtTraceReply> {
  const short = shortViolation('DHT TRACE REPLY', frame, KEYED_BYTES);
  if (short !== null) return short;
  const bytes = frame.length - KEYED_BYTES;
  if (bytes % PEER_ADDRESS_BYTES !== 0) {
    return violation(`DHT TRACE REPLY must have 36 + 56 n bytes, has ${frame.length}`);
  }
  const hops: PeerAddress[] = [];
  for (let offset = KEYED_BYTES; offset < frame.length; offset += PEER_ADDRESS_BYTES) {
    hops.push(readTraceHop(frame, offset));
  }
  return { ok: true, message: { type: 'dht-trace-reply', key: keyAt(frame, 4), hops } };
}

function keyAt(frame: Buffer, offset: number): Buffer {
  return copyOf(frame, offset, ID_BYTES);
}
