/**
 * The messages that DHT nodes exchange inside encrypted frames, over UDP and TCP alike.
 *
 * Every message: kind u8 · request id u32 · body. Invariants: decoding is total (null for anything malformed);
 * encode and decode are inverse. Not here: encryption (secure-channel.ts), sizes of datagrams (rpc.ts).
 */
import { type ByteReader, ByteWriter, decodeOrNull } from './bytes.js';
import {
  contactBytes,
  LEAST_CONTACT_BYTES,
  readContact,
  type UnverifiedContact,
  writeContact,
} from './contact.js';

/** Where a node's KX module can be reached, as the node itself says (Spec 3.1.5). */
export interface KxAddress {
  readonly port: number;
  /** 4 bytes or null. */
  readonly ipv4: Buffer | null;
  /** 16 bytes or null. */
  readonly ipv6: Buffer | null;
}

/** A content on its way to a store. */
export interface StoreItem {
  readonly key: Buffer;
  /** Milliseconds that the content still has to live. */
  readonly ttlMs: number;
  /** 1 to 255: on how many nodes it is meant to be. */
  readonly replication: number;
  readonly content: Buffer;
}

export type RpcRequest =
  | { readonly kind: 'ping' }
  | { readonly kind: 'find'; readonly key: Buffer; readonly wantValues: boolean; readonly wantKx: boolean }
  | ({ readonly kind: 'store' } & StoreItem)
  | {
      /** "Have you this content?" — a yes also refreshes its TTL there. */
      readonly kind: 'offer';
      readonly key: Buffer;
      readonly ttlMs: number;
      readonly replication: number;
      readonly size: number;
      readonly contentHash: Buffer;
    }
  /** All contents of a key over a stream, but for what the asker holds of them already. */
  | { readonly kind: 'fetch'; readonly key: Buffer; readonly held: readonly HeldPart[] }
  /** An onion on its way to its exit (private/onion.ts). */
  | { readonly kind: 'relay'; readonly token: Buffer; readonly onion: Buffer }
  /** A reply on its way back. */
  | { readonly kind: 'relayed'; readonly token: Buffer; readonly number: number; readonly body: Buffer };

/** How much of a content, from its beginning, is there already. */
export interface HeldPart {
  readonly hash: Buffer;
  readonly bytes: number;
}

/** A piece of a content on a stream. */
export interface ContentPart {
  /** SHA-256 of the whole content. */
  readonly hash: Buffer;
  readonly totalBytes: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

/** What became of a `relay` or `relayed` at the node that got it; nothing is said of the nodes behind. */
export type TakenVerdict = 'taken' | 'busy' | 'refused';

export type StoreVerdict = 'stored' | 'wanted' | 'full' | 'stale' | 'refused';

export interface FoundAnswer {
  readonly kind: 'found';
  /** There are closer contacts that did not fit. */
  readonly moreContacts: boolean;
  /** There are contents that did not fit. */
  readonly moreValues: boolean;
  readonly kx: KxAddress | null;
  /** 16 bytes: the same for nodes that hold the same contents; null where nothing is held. */
  readonly valuesDigest: Buffer | null;
  readonly contacts: readonly UnverifiedContact[];
  readonly values: readonly Buffer[];
}

export type RpcAnswer =
  | { readonly kind: 'pong' }
  | FoundAnswer
  | { readonly kind: 'stored'; readonly verdict: StoreVerdict }
  | { readonly kind: 'taken'; readonly verdict: TakenVerdict }
  | ({ readonly kind: 'part' } & ContentPart)
  | { readonly kind: 'end' };

export type RpcMessage = RpcRequest | RpcAnswer;

export interface Framed {
  readonly requestId: number;
  readonly message: RpcMessage;
}

const KIND = {
  ping: 0x10,
  find: 0x11,
  store: 0x12,
  offer: 0x13,
  fetch: 0x14,
  relay: 0x15,
  relayed: 0x16,
} as const;
const ANSWER = { pong: 0x20, found: 0x21, stored: 0x22, part: 0x24, end: 0x25, taken: 0x26 } as const;
const VERDICTS: readonly StoreVerdict[] = ['stored', 'wanted', 'full', 'stale', 'refused'];
const TAKEN_VERDICTS: readonly TakenVerdict[] = ['taken', 'busy', 'refused'];
const FIND_VALUES = 1;
const FIND_KX = 2;
const FOUND_KX = 1;
const FOUND_MORE_CONTACTS = 2;
const FOUND_MORE_VALUES = 4;
const FOUND_DIGEST = 8;

/** Bytes of kind and request id. */
export const RPC_HEADER_BYTES = 5;
/** Bytes that tie the replies of one leg of an onion to it. */
export const LEG_TOKEN_BYTES = 16;
/** Bytes of a store message without its content. */
export const STORE_OVERHEAD_BYTES = RPC_HEADER_BYTES + 37;

const isRequestKind = (kind: RpcMessage['kind']): kind is RpcRequest['kind'] => kind in KIND;

export function isRequest(message: RpcMessage): message is RpcRequest {
  return isRequestKind(message.kind);
}

/** Requests that change something: message 1 of a handshake can be replayed, a session's messages cannot. */
export function needsSession(request: RpcRequest): boolean {
  return request.kind === 'store' || request.kind === 'relay' || request.kind === 'relayed';
}

export function encodeRpc({ requestId, message }: Framed): Buffer {
  const writer = new ByteWriter();
  const code = isRequest(message) ? KIND[message.kind] : ANSWER[message.kind];
  writer.u8(code).u32(requestId);
  switch (message.kind) {
    case 'ping':
    case 'pong':
    case 'end':
      break;
    case 'find':
      writer.raw(message.key).u8((message.wantValues ? FIND_VALUES : 0) | (message.wantKx ? FIND_KX : 0));
      break;
    case 'store':
      writer.raw(message.key).u32(message.ttlMs).u8(message.replication).raw(message.content);
      break;
    case 'offer':
      writer.raw(message.key).u32(message.ttlMs).u8(message.replication);
      writer.u32(message.size).raw(message.contentHash);
      break;
    case 'fetch':
      writer.raw(message.key);
      for (const { hash, bytes } of message.held) writer.raw(hash).u32(bytes);
      break;
    case 'relay':
      writer.raw(message.token).raw(message.onion);
      break;
    case 'relayed':
      writer.raw(message.token).u32(message.number).raw(message.body);
      break;
    case 'found':
      writeFound(writer, message);
      break;
    case 'stored':
      writer.u8(VERDICTS.indexOf(message.verdict));
      break;
    case 'taken':
      writer.u8(TAKEN_VERDICTS.indexOf(message.verdict));
      break;
    case 'part':
      writer.raw(message.hash).u32(message.totalBytes).u32(message.offset).raw(message.bytes);
      break;
  }
  return writer.done();
}

/** Null for anything malformed. Contents are copies. */
export function decodeRpc(bytes: Buffer): Framed | null {
  return decodeOrNull(bytes, (reader) => {
    const code = reader.u8();
    const requestId = reader.u32();
    const message = readBody(code, reader);
    reader.end();
    return { requestId, message };
  });
}

function readBody(code: number, reader: ByteReader): RpcMessage {
  switch (code) {
    case KIND.ping:
      return { kind: 'ping' };
    case KIND.find: {
      const key = reader.copy(32);
      const flags = reader.u8();
      return { kind: 'find', key, wantValues: (flags & FIND_VALUES) !== 0, wantKx: (flags & FIND_KX) !== 0 };
    }
    case KIND.store: {
      const head = { key: reader.copy(32), ttlMs: reader.u32(), replication: reader.u8() };
      return { kind: 'store', ...head, content: reader.copy(reader.left) };
    }
    case KIND.offer: {
      const head = { key: reader.copy(32), ttlMs: reader.u32(), replication: reader.u8() };
      return { kind: 'offer', ...head, size: reader.u32(), contentHash: reader.copy(32) };
    }
    case KIND.fetch:
      return readFetch(reader);
    case KIND.relay: {
      const token = reader.copy(LEG_TOKEN_BYTES);
      return { kind: 'relay', token, onion: reader.copy(reader.left) };
    }
    case KIND.relayed: {
      const head = { token: reader.copy(LEG_TOKEN_BYTES), number: reader.u32() };
      return { kind: 'relayed', ...head, body: reader.copy(reader.left) };
    }
    case ANSWER.pong:
      return { kind: 'pong' };
    case ANSWER.found:
      return readFound(reader);
    case ANSWER.stored:
      return { kind: 'stored', verdict: VERDICTS[reader.u8()] ?? reader.fail() };
    case ANSWER.taken:
      return { kind: 'taken', verdict: TAKEN_VERDICTS[reader.u8()] ?? reader.fail() };
    case ANSWER.part: {
      const head = { hash: reader.copy(32), totalBytes: reader.u32(), offset: reader.u32() };
      return { kind: 'part', ...head, bytes: reader.copy(reader.left) };
    }
    case ANSWER.end:
      return { kind: 'end' };
    default:
      return reader.fail();
  }
}

function readFetch(reader: ByteReader): RpcRequest {
  const key = reader.copy(32);
  const held: HeldPart[] = [];
  while (reader.left > 0) held.push({ hash: reader.copy(32), bytes: reader.u32() });
  return { kind: 'fetch', key, held };
}

function writeFound(writer: ByteWriter, found: FoundAnswer): void {
  writer.u8(
    (found.kx ? FOUND_KX : 0) |
      (found.moreContacts ? FOUND_MORE_CONTACTS : 0) |
      (found.moreValues ? FOUND_MORE_VALUES : 0) |
      (found.valuesDigest ? FOUND_DIGEST : 0),
  );
  if (found.kx) {
    const { port, ipv4, ipv6 } = found.kx;
    writer.u16(port);
    if (ipv4) writer.raw(ipv4);
    else writer.zeros(4);
    if (ipv6) writer.raw(ipv6);
    else writer.zeros(16);
  }
  if (found.valuesDigest) writer.raw(found.valuesDigest);
  writer.u8(found.contacts.length);
  for (const contact of found.contacts) writeContact(writer, contact);
  for (const value of found.values) writer.u16(value.length).raw(value);
}

function readFound(reader: ByteReader): FoundAnswer {
  const flags = reader.u8();
  const kx = flags & FOUND_KX ? readKx(reader) : null;
  const valuesDigest = flags & FOUND_DIGEST ? reader.copy(16) : null;
  const contacts: UnverifiedContact[] = [];
  for (let left = reader.u8(); left > 0; left--) contacts.push(readContact(reader));
  const values: Buffer[] = [];
  while (reader.left > 0) values.push(reader.copy(reader.u16()));
  return {
    kind: 'found',
    moreContacts: (flags & FOUND_MORE_CONTACTS) !== 0,
    moreValues: (flags & FOUND_MORE_VALUES) !== 0,
    kx,
    valuesDigest,
    contacts,
    values,
  };
}

function readKx(reader: ByteReader): KxAddress {
  const port = reader.u16();
  const nonZero = (bytes: Buffer) => (bytes.every((byte) => byte === 0) ? null : Buffer.from(bytes));
  return { port, ipv4: nonZero(reader.take(4)), ipv6: nonZero(reader.take(16)) };
}

/** What an answer to a find is made of. */
export interface FoundParts extends Pick<FoundAnswer, 'kx' | 'valuesDigest' | 'values'> {
  /** The closest contacts, closest first: asked for so many as may fit, and one more. */
  readonly closest: (count: number) => readonly UnverifiedContact[];
}

/**
 * Builds the answer to a find that fits into `budget` bytes (with the RPC header): the values first, in order,
 * then as many contacts, closest first, as there is room for.
 */
export function fitFound(parts: FoundParts, budget: number): FoundAnswer {
  let left = budget - RPC_HEADER_BYTES - 2 - (parts.kx ? 22 : 0) - (parts.valuesDigest ? 16 : 0);
  const values: Buffer[] = [];
  for (const value of parts.values) {
    if (value.length + 2 > left) break;
    values.push(value);
    left -= value.length + 2;
  }
  const contacts: UnverifiedContact[] = [];
  const closest = parts.closest(Math.floor(Math.max(0, left) / LEAST_CONTACT_BYTES) + 1);
  for (const contact of closest) {
    if (contactBytes(contact) > left || contacts.length === 255) break;
    contacts.push(contact);
    left -= contactBytes(contact);
  }
  return {
    kind: 'found',
    kx: parts.kx,
    valuesDigest: parts.valuesDigest,
    moreContacts: contacts.length < closest.length,
    moreValues: values.length < parts.values.length,
    contacts,
    values,
  };
}
