/**
 * What travels inside the two handshake messages, over UDP and TCP alike.
 *
 * First:  flags u8 (1 = "I hold your certificate") · contact of the sender · certificate 1074 ·
 *         length u16 · RPC request · zeros
 * Second: flags u8 (1 = certificate follows) · [certificate 1074] · RPC answer
 * The initiator's certificate takes the place of padding, so both sides are authenticated in one round trip
 * and a stranger never gets more bytes than it sent. Not here: the check that certificate and contact agree.
 */
import { ByteWriter, decodeOrNull } from './bytes.js';
import { readContact, type UnverifiedContact, writeContact } from './contact.js';
import { CERTIFICATE_BYTES } from './secure-channel.js';

export interface FirstPayload {
  readonly holdsCertificate: boolean;
  readonly contact: UnverifiedContact;
  readonly certificate: Buffer;
  readonly request: Buffer;
}

export interface SecondPayload {
  readonly certificate: Buffer | null;
  readonly answer: Buffer;
}

/** @param size exact length to pad to in bytes, or 0 for none. Null where the request does not fit. */
export function encodeFirst(payload: FirstPayload, size: number): Buffer | null {
  const writer = new ByteWriter().u8(payload.holdsCertificate ? 1 : 0);
  writeContact(writer, payload.contact);
  writer.raw(payload.certificate).u16(payload.request.length).raw(payload.request);
  if (size === 0) return writer.done();
  if (writer.length > size) return null;
  return writer.zeros(size - writer.length).done();
}

export function decodeFirst(bytes: Buffer): FirstPayload | null {
  return decodeOrNull(bytes, (reader) => {
    const flags = reader.u8();
    const contact = readContact(reader);
    const certificate = reader.take(CERTIFICATE_BYTES);
    return { holdsCertificate: (flags & 1) !== 0, contact, certificate, request: reader.take(reader.u16()) };
  });
}

export function encodeSecond(payload: SecondPayload): Buffer {
  const writer = new ByteWriter().u8(payload.certificate ? 1 : 0);
  if (payload.certificate) writer.raw(payload.certificate);
  return writer.raw(payload.answer).done();
}

export function decodeSecond(bytes: Buffer): SecondPayload | null {
  return decodeOrNull(bytes, (reader) => {
    const certificate = reader.u8() & 1 ? reader.take(CERTIFICATE_BYTES) : null;
    return { certificate, answer: reader.rest() };
  });
}
