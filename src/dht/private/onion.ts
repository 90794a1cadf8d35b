/**
 * Onions: what a requester wraps for its hops, what each hop takes off, and the layers around replies.
 *
 * Onion at every hop: ephemeral key 32 · tag 16 · body. The body is decrypted with the hop's key stream after
 * ROUTE_BYTES zeros were put behind it; what comes out is the hop's route and the next hop's body, of the same length.
 * The maker knows what the zeros become (the filler), so every tag covers the whole body.
 * Route: kind u8 (1 = forward) · slot u16 · contact of the next hop, zeros to 97 · its ephemeral key 32 · its tag 16.
 * At the exit: kind u8 (2) · slot u16 · payload and random bytes.
 * Reply at every leg: number u32 · body. The hop that makes it seals it; the others add a key stream and their offset.
 * Invariants: an onion has one of ONION_BYTES at every leg, a reply 4 bytes less, so neither shows its place or the
 * length of what is inside; equal bytes never show on two legs; parsing is total. Not here: what the payload says
 * (exit-message.ts), who is a hop (path-choice.ts), replays (seen-onions.ts).
 */
import { ByteWriter, decodeOrNull } from '../bytes.js';
import { readContact, type UnverifiedContact, writeContact } from '../contact.js';
import type { Random } from '../environment.js';
import { EPHEMERAL_BYTES, type LayerKeys, type OnionCipher, TAG_BYTES } from './onion-cipher.js';

/** The first fits a sealed datagram exactly, the others go over streams. */
export const ONION_BYTES = [1_350, 8_196, 66_004] as const;
export const MAX_HOPS = 3;
const HEAD_BYTES = EPHEMERAL_BYTES + TAG_BYTES;
const CONTACT_BYTES = 97;
const ROUTE_BYTES = 3 + CONTACT_BYTES + HEAD_BYTES;
const EXIT_BYTES = 3;
const FORWARD = 1;
const EXIT = 2;
const NUMBER_BYTES = 4;
const NUMBER_LIMIT = 2 ** 32;

/** Time in an onion is this coarse, so that it says nothing about its maker's clock. */
export const SLOT_MS = 600_000;
export const slotAt = (nowMs: number) => Math.floor(nowMs / SLOT_MS) & 0xffff;

export interface Onion {
  readonly bytes: Buffer;
  /** The keys shared with each hop, first hop first. */
  readonly layers: readonly LayerKeys[];
}

export type Peeled =
  | {
      readonly kind: 'forward';
      readonly keys: LayerKeys;
      readonly slot: number;
      readonly next: UnverifiedContact;
      readonly onion: Buffer;
    }
  | { readonly kind: 'exit'; readonly keys: LayerKeys; readonly slot: number; readonly payload: Buffer };

export interface Reply {
  readonly number: number;
  readonly body: Buffer;
}

/** Most bytes of payload in an onion of `size` bytes, whatever the number of hops. */
export const payloadCapacity = (size: number) =>
  size - HEAD_BYTES - EXIT_BYTES - (MAX_HOPS - 1) * ROUTE_BYTES;
/** Bytes of plaintext in a reply that travels like an onion of `size` bytes. */
export const replyCapacity = (size: number) => size - NUMBER_BYTES - TAG_BYTES;
export const isOnionSize = (length: number) => (ONION_BYTES as readonly number[]).includes(length);
export const isReplySize = (length: number) => isOnionSize(length + NUMBER_BYTES);

/** The smallest size with room for `bytes` by `capacity`, or null. */
export function fittingSize(bytes: number, capacity: (size: number) => number): number | null {
  return ONION_BYTES.find((size) => capacity(size) >= bytes) ?? null;
}

function xor(a: Buffer, b: Buffer): Buffer {
  const result = Buffer.allocUnsafe(a.length);
  for (let i = 0; i < a.length; i++) result[i] = (a[i] as number) ^ (b[i] as number);
  return result;
}

/** Wraps `payload` for one to MAX_HOPS hops; null where it does not fit or a hop's key is unusable. */
export function wrapOnion(
  cipher: OnionCipher,
  random: Random,
  hops: readonly UnverifiedContact[],
  payload: Buffer,
  slot: number,
): Onion | null {
  const size = fittingSize(payload.length, payloadCapacity);
  if (size === null || hops.length === 0 || hops.length > MAX_HOPS) return null;
  const layers = hops.map((hop) => cipher.begin(hop.key)).filter((layer) => layer !== null);
  if (layers.length !== hops.length) return null;
  const length = size - HEAD_BYTES;
  const streams = layers.map(({ keys }) =>
    cipher.stream(keys.forward, 0, Buffer.alloc(length + ROUTE_BYTES)),
  );
  let filler: Buffer = Buffer.alloc(0);
  for (const stream of streams.slice(0, -1)) {
    const longer = Buffer.concat([filler, Buffer.alloc(ROUTE_BYTES)]);
    filler = xor(longer, stream.subarray(length - filler.length, length + ROUTE_BYTES));
  }
  const head = new ByteWriter().u8(EXIT).u16(slot).raw(payload);
  const padded = head.raw(random.bytes(length - filler.length - head.length)).done();
  let body: Buffer = Buffer.concat([xor(padded, streams.at(-1) as Buffer), filler]);
  let bytes: Buffer = Buffer.alloc(0);
  for (let i = layers.length - 1; ; i--) {
    const { ephemeral, keys } = layers[i] as (typeof layers)[0];
    const tag = cipher.tag(keys.tag, body);
    if (i === 0) {
      bytes = Buffer.concat([ephemeral, tag, body]);
      break;
    }
    const route = new ByteWriter().u8(FORWARD).u16(slot);
    const contact = new ByteWriter();
    writeContact(contact, hops[i] as UnverifiedContact);
    route.raw(contact.done()).raw(Buffer.alloc(CONTACT_BYTES - contact.length));
    route
      .raw(ephemeral)
      .raw(tag)
      .raw(body.subarray(0, length - ROUTE_BYTES));
    body = xor(route.done(), streams[i - 1] as Buffer);
  }
  return { bytes, layers: layers.map(({ keys }) => keys) };
}

/** Takes our layer off; null for anything that is not an untouched onion for us. */
export function peelOnion(cipher: OnionCipher, onion: Buffer): Peeled | null {
  if (!isOnionSize(onion.length)) return null;
  const keys = cipher.join(onion.subarray(0, EPHEMERAL_BYTES));
  if (!keys) return null;
  const body = onion.subarray(HEAD_BYTES);
  if (!cipher.equal(cipher.tag(keys.tag, body), onion.subarray(EPHEMERAL_BYTES, HEAD_BYTES))) return null;
  const plain = cipher.stream(keys.forward, 0, Buffer.concat([body, Buffer.alloc(ROUTE_BYTES)]));
  return decodeOrNull(plain, (reader): Peeled => {
    const kind = reader.u8();
    const slot = reader.u16();
    // Behind the body's end there is only key stream.
    if (kind === EXIT) return { kind: 'exit', keys, slot, payload: reader.take(body.length - EXIT_BYTES) };
    if (kind !== FORWARD) return reader.fail();
    const next = decodeOrNull(reader.take(CONTACT_BYTES), readContact);
    if (!next || (next.ipv4 === null && next.ipv6 === null)) return reader.fail();
    return { kind: 'forward', keys, slot, next, onion: reader.rest() };
  });
}

/** A reply of our own. @param index 0 and up, each once @param plaintext `replyCapacity` bytes of some size */
export function sealReply(cipher: OnionCipher, keys: LayerKeys, index: number, plaintext: Buffer): Reply {
  const number = keys.offset + index;
  return { number, body: cipher.seal(keys.seal, number, plaintext) };
}

/** Our layer around a reply that passes; null where its number cannot be. */
export function coverReply(cipher: OnionCipher, keys: LayerKeys, reply: Reply): Reply | null {
  const number = reply.number + keys.offset;
  if (number >= NUMBER_LIMIT) return null;
  return { number, body: cipher.stream(keys.backward, number, reply.body) };
}

/** Reads a reply at the maker of the onion: which hop made it (0 = the first) and what it says; null where none did. */
export function openReply(
  cipher: OnionCipher,
  layers: readonly LayerKeys[],
  reply: Reply,
): { readonly hop: number; readonly index: number; readonly plaintext: Buffer } | null {
  let { number, body } = reply;
  for (const [hop, keys] of layers.entries()) {
    const index = number - keys.offset;
    if (index < 0) return null;
    const plaintext = cipher.open(keys.seal, number, body);
    if (plaintext) return { hop, index, plaintext };
    body = cipher.stream(keys.backward, number, body);
    number = index;
  }
  return null;
}
