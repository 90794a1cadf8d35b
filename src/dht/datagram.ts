/**
 * The outer form of the DHT's UDP datagrams.
 *
 * First byte: version 1 in the high four bits, type in the low ones.
 * - initiation 0x11 · session u32 · handshake message 1 (padded to DATAGRAM_BYTES in all)
 * - reception  0x12 · session u32 of the initiator · session u32 of the responder · handshake message 2
 * - sealed     0x13 · session u32 of the receiver · counter u64 · sealed RPC message
 * - hello      0x14 · token 8 · zeros (HELLO_BYTES in all): "who are you?", to an address of the HOSTLIST
 * - welcome    0x15 · token 8 · contact of the sender
 * Invariants: decoding is total; a welcome is never longer than a hello. Sessions are signed numbers here, which V8 keeps
 * without a box. Not here: what is inside handshakes.
 */
import { ByteWriter, decodeOrNull } from './bytes.js';
import { readContact, type UnverifiedContact, writeContact } from './contact.js';
import { INITIATION_OVERHEAD, RECEPTION_OVERHEAD, SEAL_OVERHEAD } from './secure-channel.js';

/** No datagram is longer, so that none is fragmented on usual paths. */
export const DATAGRAM_BYTES = 1400;
export const HELLO_BYTES = 128;
/** Most bytes of an RPC message in a sealed datagram. */
export const SEALED_CAPACITY = DATAGRAM_BYTES - 13 - SEAL_OVERHEAD;
/** Exact size of the payload of an initiation. */
export const INITIATION_CAPACITY = DATAGRAM_BYTES - 5 - INITIATION_OVERHEAD;
/** Most bytes of payload in a reception. */
export const RECEPTION_CAPACITY = DATAGRAM_BYTES - 9 - RECEPTION_OVERHEAD;

const TYPE = { initiation: 0x11, reception: 0x12, sealed: 0x13, hello: 0x14, welcome: 0x15 } as const;
const SEALED_HEADER_BYTES = 13;

export type Datagram =
  | { readonly type: 'initiation'; readonly session: number; readonly handshake: Buffer }
  | { readonly type: 'reception'; readonly to: number; readonly session: number; readonly handshake: Buffer }
  | {
      readonly type: 'sealed';
      readonly to: number;
      readonly counter: number;
      readonly header: Buffer;
      readonly body: Buffer;
    }
  | { readonly type: 'hello'; readonly token: Buffer }
  | { readonly type: 'welcome'; readonly token: Buffer; readonly contact: UnverifiedContact };

/** Null for anything that is no datagram of ours. Buffers are views of `bytes`. */
export function decodeDatagram(bytes: Buffer): Datagram | null {
  if (bytes.length > DATAGRAM_BYTES) return null;
  return decodeOrNull(bytes, (reader): Datagram => {
    switch (reader.u8()) {
      case TYPE.initiation:
        if (bytes.length !== DATAGRAM_BYTES) return reader.fail();
        return { type: 'initiation', session: reader.i32(), handshake: reader.rest() };
      case TYPE.reception:
        return { type: 'reception', to: reader.i32(), session: reader.i32(), handshake: reader.rest() };
      case TYPE.sealed: {
        const to = reader.i32();
        const high = reader.u32();
        const low = reader.u32();
        // V8 gives every result of the sum a box, and the replay window keeps counters.
        const counter = high === 0 ? low : high * 2 ** 32 + low;
        if (!Number.isSafeInteger(counter)) return reader.fail();
        return {
          type: 'sealed',
          to,
          counter,
          header: bytes.subarray(0, SEALED_HEADER_BYTES),
          body: reader.rest(),
        };
      }
      case TYPE.hello:
        if (bytes.length !== HELLO_BYTES) return reader.fail();
        return { type: 'hello', token: reader.take(8) };
      case TYPE.welcome: {
        const token = reader.take(8);
        const contact = readContact(reader);
        reader.end();
        return { type: 'welcome', token, contact };
      }
      default:
        return reader.fail();
    }
  });
}

export function initiationDatagram(session: number, handshake: Buffer): Buffer {
  return new ByteWriter().u8(TYPE.initiation).i32(session).raw(handshake).done();
}

export function receptionDatagram(to: number, session: number, handshake: Buffer): Buffer {
  return new ByteWriter().u8(TYPE.reception).i32(to).i32(session).raw(handshake).done();
}

/** Header of a sealed datagram, which is also what its seal authenticates besides the body. */
export function sealedHeader(to: number, counter: number): Buffer {
  const header = Buffer.allocUnsafe(SEALED_HEADER_BYTES);
  header.writeUInt8(TYPE.sealed, 0);
  header.writeInt32BE(to, 1);
  header.writeUInt32BE(Math.floor(counter / 2 ** 32), 5);
  header.writeUInt32BE(counter % 2 ** 32, 9);
  return header;
}

/** @param token 8 random bytes that the welcome repeats */
export function helloDatagram(token: Buffer): Buffer {
  return Buffer.concat([Buffer.of(TYPE.hello), token], HELLO_BYTES);
}

export function welcomeDatagram(token: Buffer, contact: UnverifiedContact): Buffer {
  const writer = new ByteWriter().u8(TYPE.welcome).raw(token);
  writeContact(writer, contact);
  return writer.done();
}
