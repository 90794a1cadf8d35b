/**
 * Role: the header that every API message starts with: size u16, type u16 (Spec 3).
 *
 * Invariants: the size counts the header too, so a message has 4 to 65 535 bytes.
 *
 * Not here: the bodies (dht.ts, kx.ts) and the splitting of a byte stream into messages (api/framing.ts).
 */

export const HEADER_BYTES = 4;
/** Most bytes of one message, header included. */
export const MAX_MESSAGE_BYTES = 65_535;

/** Numbers of the API messages (Spec 3.1, 3.2). 506–599 and 605–699 are reserved. */
export const MESSAGE_TYPE = {
  dhtPut: 500,
  dhtGet: 501,
  dhtTrace: 502,
  dhtGetReply: 503,
  dhtTraceReply: 504,
  dhtError: 505,
  kxBuildIncoming: 600,
  kxBuildOutgoing: 601,
  kxReady: 602,
  kxDestroy: 603,
  kxError: 604,
} as const;

/** What a decoder makes of a frame: a message, or the reason why it is a violation of the API. */
export type Decoded<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly violation: string };

/**
 * A zeroed buffer of `size` bytes with its header written, so that reserved bytes are zero.
 *
 * Throws RangeError if a message cannot be that long.
 */
export function allocMessage(type: number, size: number): Buffer {
  if (size > MAX_MESSAGE_BYTES) {
    throw new RangeError(`a message has at most ${MAX_MESSAGE_BYTES} bytes, this one would have ${size}`);
  }
  const out = Buffer.alloc(size);
  out.writeUInt16BE(size, 0);
  out.writeUInt16BE(type, 2);
  return out;
}

export function violation(text: string): { readonly ok: false; readonly violation: string } {
  return { ok: false, violation: text };
}

/** The violation of a frame whose size is not the one of its type, or `null`. */
export function sizeViolation(
  name: string,
  frame: Buffer,
  expected: number,
): { readonly ok: false; readonly violation: string } | null {
  return frame.length === expected
    ? null
    : violation(`${name} must have ${expected} bytes, has ${frame.length}`);
}

/** As {@link sizeViolation} for a type that may be longer. */
export function shortViolation(
  name: string,
  frame: Buffer,
  least: number,
): { readonly ok: false; readonly violation: string } | null {
  return frame.length >= least
    ? null
    : violation(`${name} must have at least ${least} bytes, has ${frame.length}`);
}
