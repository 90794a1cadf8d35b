/**
 * Role: codecs of the KX's API messages, 600 to 604 (Spec 3.2).
 *
 * Invariants: decoders are total; sizes are exact, save that a BUILD may carry an extension after its
 * 96 bytes, which is handed on as raw bytes; reserved bytes are sent as zero and ignored on receipt.
 *
 * Not here: the TLVs of the extension, and whether extensions are switched on ([KX] EXTENSIONS).
 */

import {
  allocMessage,
  type Decoded,
  MESSAGE_TYPE,
  shortViolation,
  sizeViolation,
  violation,
} from './header.js';
import {
  copyOf,
  ID_BYTES,
  type PeerAddress,
  readExchangePoint,
  requireBytes,
  requireUint,
  writeExchangePoint,
} from './peer-address.js';

/** Bytes of a BUILD without extension. */
export const BUILD_BYTES = 96;
const READY_BYTES = 60;
const DESTROY_BYTES = 36;
const ERROR_BYTES = 40;

/** Spec 3.2.1, 3.2.2. `hops` is the least number of hops wanted, 0–255. */
export interface KxBuild {
  readonly type: 'kx-build-incoming' | 'kx-build-outgoing';
  readonly hops: number;
  readonly pseudoIdentity: Buffer;
  readonly exchangePoint: PeerAddress;
  /** The bytes after the 96 of the specification; empty where there is no extension. */
  readonly extension: Buffer;
}

/** Spec 3.2.3. The addresses are all zero for an incoming tunnel. */
export interface KxReady {
  readonly type: 'kx-ready';
  readonly pseudoIdentity: Buffer;
  /** 4 bytes. */
  readonly ipv4: Buffer;
  /** 16 bytes. */
  readonly ipv6: Buffer;
}

/** Spec 3.2.4. */
export interface KxDestroy {
  readonly type: 'kx-destroy';
  readonly pseudoIdentity: Buffer;
}

/** Spec 3.2.5: `requestType` is the number of the message that could not be served. */
export interface KxError {
  readonly type: 'kx-error';
  readonly requestType: number;
  readonly pseudoIdentity: Buffer;
}

export type KxMessage = KxBuild | KxReady | KxDestroy | KxError;

/** Throws RangeError if a field does not fit its place. */
export function encodeKxMessage(message: KxMessage): Buffer {
  requireBytes('pseudo-identity', message.pseudoIdentity, ID_BYTES);
  switch (message.type) {
    case 'kx-build-incoming':
      return encodeBuild(MESSAGE_TYPE.kxBuildIncoming, message);
    case 'kx-build-outgoing':
      return encodeBuild(MESSAGE_TYPE.kxBuildOutgoing, message);
    case 'kx-ready': {
      requireBytes('IPv4 address', message.ipv4, 4);
      requireBytes('IPv6 address', message.ipv6, 16);
      const out = allocMessage(MESSAGE_TYPE.kxReady, READY_BYTES);
      message.pseudoIdentity.copy(out, 4);
      message.ipv4.copy(out, 40);
      message.ipv6.copy(out, 44);
      return out;
    }
    case 'kx-destroy': {
      const out = allocMessage(MESSAGE_TYPE.kxDestroy, DESTROY_BYTES);
      message.pseudoIdentity.copy(out, 4);
      return out;
    }
    case 'kx-error': {
      requireUint('request type', message.requestType, 0xffff);
      const out = allocMessage(MESSAGE_TYPE.kxError, ERROR_BYTES);
      out.writeUInt16BE(message.requestType, 4);
      message.pseudoIdentity.copy(out, 8);
      return out;
    }
  }
}

/** `frame` is a whole message whose header has been checked; `type` is 600 to 604. */
export function decodeKxMessage(type: number, frame: Buffer): Decoded<KxMessage> {
  switch (type) {
    case MESSAGE_TYPE.kxBuildIncoming:
      return decodeBuild('kx-build-incoming', frame);
    case MESSAGE_TYPE.kxBuildOutgoing:
      return decodeBuild('kx-build-outgoing', frame);
    case MESSAGE_TYPE.kxReady:
      return sizeViolation('KX TUNNEL READY', frame, READY_BYTES) ?? { ok: true, message: readReady(frame) };
    case MESSAGE_TYPE.kxDestroy:
      return (
        sizeViolation('KX TUNNEL DESTROY', frame, DESTROY_BYTES) ?? {
          ok: true,
          message: { type: 'kx-destroy', pseudoIdentity: copyOf(frame, 4, ID_BYTES) },
        }
      );
    case MESSAGE_TYPE.kxError:
      return (
        sizeViolation('KX ERROR', frame, ERROR_BYTES) ?? {
          ok: true,
          message: {
            type: 'kx-error',
            requestType: frame.readUInt16BE(4),
            pseudoIdentity: copyOf(frame, 8, ID_BYTES),
          },
        }
      );
    default:
      return violation(`${type} is not a KX message`);
  }
}

function encodeBuild(type: number, message: KxBuild): Buffer {
  requireUint('number of hops', message.hops, 0xff);
  const out = allocMessage(type, BUILD_BYTES + message.extension.length);
  out.writeUInt8(message.hops, 4);
  message.pseudoIdentity.copy(out, 8);
  writeExchangePoint(out, 40, message.exchangePoint);
  message.extension.copy(out, BUILD_BYTES);
  return out;
}

function decodeBuild(type: KxBuild['type'], frame: Buffer): Decoded<KxBuild> {
  const name = type === 'kx-build-incoming' ? 'KX TUNNEL BUILD INCOMING' : 'KX TUNNEL BUILD OUTGOING';
  const short = shortViolation(name, frame, BUILD_BYTES);
  if (short !== null) return short;
  return {
    ok: true,
    message: {
      type,
      hops: frame.readUInt8(4),
      pseudoIdentity: copyOf(frame, 8, ID_BYTES),
      exchangePoint: readExchangePoint(frame, 40),
      extension: copyOf(frame, BUILD_BYTES, frame.length - BUILD_BYTES),
    },
  };
}

function readReady(frame: Buffer): KxReady {
  return {
    type: 'kx-ready',
    pseudoIdentity: copyOf(frame, 4, ID_BYTES),
    ipv4: copyOf(frame, 40, 4),
    ipv6: copyOf(frame, 44, 16),
  };
}
