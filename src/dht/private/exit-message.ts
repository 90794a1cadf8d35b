/**
 * What a requester asks of an exit, and what the exit (or a hop that could not go on) replies.
 *
 * Request: kind u8 (1 get, 2 put, 3 probe) · [key 32] · [TTL u32 ms · replication u8 · length u32 · content]. What
 * follows is padding.
 * Reply: flags u8 (2 end, 4 failed; others are ignored) · stored u16 · count u16 · (length u16 · content)… · zeros.
 * Invariants: parsing is total; encode and decode are inverse. Not here: layers and sizes (onion.ts).
 */
import { type ByteReader, ByteWriter, decodeOrNull } from '../bytes.js';
import type { StoreItem } from '../rpc-message.js';
import { MAX_CONTENT_BYTES, MAX_TTL_MS } from '../store.js';
import { fittingSize, ONION_BYTES, replyCapacity } from './onion.js';

export type ExitRequest =
  | { readonly kind: 'get'; readonly key: Buffer }
  | ({ readonly kind: 'put' } & StoreItem)
  /** Does nothing: shows that the path holds, and leaves sessions along it. */
  | { readonly kind: 'probe' };

export interface ExitReply {
  /** No reply has a higher index. */
  readonly end: boolean;
  /** The maker of this reply could not reach the next hop. */
  readonly failed: boolean;
  /** After a PUT: nodes that took the content. */
  readonly stored: number;
  readonly contents: readonly Buffer[];
}

const KIND = { get: 1, put: 2, probe: 3 } as const;
const END = 2;
const FAILED = 4;
const REPLY_HEAD_BYTES = 5;

export function encodeExitRequest(request: ExitRequest): Buffer {
  const writer = new ByteWriter().u8(KIND[request.kind]);
  if (request.kind === 'probe') return writer.done();
  writer.raw(request.key);
  if (request.kind === 'get') return writer.done();
  const { ttlMs, replication, content } = request;
  return writer.u32(ttlMs).u8(replication).u32(content.length).raw(content).done();
}

/** Null for anything malformed. Buffers are copies. */
export function decodeExitRequest(payload: Buffer): ExitRequest | null {
  return decodeOrNull(payload, (reader): ExitRequest => {
    const kind = reader.u8();
    if (kind === KIND.probe) return { kind: 'probe' };
    const key = Buffer.from(reader.take(32));
    if (kind === KIND.get) return { kind: 'get', key };
    if (kind !== KIND.put) return reader.fail();
    return { kind: 'put', key, ...readItem(reader) };
  });
}

function readItem(reader: ByteReader): Omit<StoreItem, 'key'> {
  const ttlMs = reader.u32();
  const replication = reader.u8();
  const length = reader.u32();
  if (ttlMs === 0 || ttlMs > MAX_TTL_MS || replication === 0 || length > MAX_CONTENT_BYTES) reader.fail();
  return { ttlMs, replication, content: Buffer.from(reader.take(length)) };
}

/** Takes from `queue` what fits into one reply and gives it with the plaintext; the first content decides the size. */
export function encodeExitReply(
  reply: Omit<ExitReply, 'contents' | 'end'>,
  queue: Buffer[],
  endIfEmpty: boolean,
): { readonly plaintext: Buffer; readonly contents: readonly Buffer[]; readonly end: boolean } {
  const first = REPLY_HEAD_BYTES + (queue[0] ? queue[0].length + 2 : 0);
  const room = replyCapacity(fittingSize(first, replyCapacity) ?? ONION_BYTES[0]);
  const contents: Buffer[] = [];
  let used = REPLY_HEAD_BYTES;
  while (queue[0] && used + queue[0].length + 2 <= room) {
    const content = queue.shift() as Buffer;
    used += content.length + 2;
    contents.push(content);
  }
  const end = endIfEmpty && queue.length === 0;
  const flags = (end ? END : 0) | (reply.failed ? FAILED : 0);
  const writer = new ByteWriter().u8(flags).u16(reply.stored).u16(contents.length);
  for (const content of contents) writer.u16(content.length).raw(content);
  return { plaintext: writer.raw(Buffer.alloc(room - writer.length)).done(), contents, end };
}

/** Null for anything malformed. Contents are copies. */
export function decodeExitReply(plaintext: Buffer): ExitReply | null {
  return decodeOrNull(plaintext, (reader) => {
    const flags = reader.u8();
    const stored = reader.u16();
    const contents: Buffer[] = [];
    for (let left = reader.u16(); left > 0; left--) {
      const length = reader.u16();
      if (length > MAX_CONTENT_BYTES) reader.fail();
      contents.push(Buffer.from(reader.take(length)));
    }
    return {
      end: (flags & END) !== 0,
      failed: (flags & FAILED) !== 0,
      stored,
      contents,
    };
  });
}
