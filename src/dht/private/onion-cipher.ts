/**
 * The cryptography of onions as an argument: one layer for each hop, on the hop's certified X25519 key.
 *
 * Production uses `sodiumOnionCipher` (sodium-onion-cipher.ts); simulations give stand-ins of equal sizes. Invariant of
 * every implementation: nothing here throws on hostile bytes; failures are null or false. Not here: the layout of an
 * onion (onion.ts).
 */

/** Keys that one hop shares with the unknown maker of an onion, each for one use. */
export interface LayerKeys {
  /** Key stream over what travels towards the exit. */
  readonly forward: Buffer;
  /** Authenticates what travels towards the exit; used once. */
  readonly tag: Buffer;
  /** Key stream over replies that pass this hop. */
  readonly backward: Buffer;
  /** Seals replies that this hop makes itself. */
  readonly seal: Buffer;
  /** What this hop adds to the numbers of replies: 0 to MAX_OFFSET. */
  readonly offset: number;
}

/** So that three offsets and an index stay below 2^32. */
export const MAX_OFFSET = 2 ** 30 - 1;
export const EPHEMERAL_BYTES = 32;
export const TAG_BYTES = 16;

export interface OnionCipher {
  /** A layer for the owner of `hopKey`, with an ephemeral key of its own; null where `hopKey` is unusable. */
  begin(hopKey: Buffer): { readonly ephemeral: Buffer; readonly keys: LayerKeys } | null;
  /** The same keys at the hop, from the ephemeral key alone; null where that is unusable. */
  join(ephemeral: Buffer): LayerKeys | null;
  /** XORs `bytes` with the key stream of the number; the result is a new buffer. */
  stream(key: Buffer, number: number, bytes: Buffer): Buffer;
  /** TAG_BYTES over `bytes`. */
  tag(key: Buffer, bytes: Buffer): Buffer;
  /** Constant time. */
  equal(a: Buffer, b: Buffer): boolean;
  /** AEAD; adds TAG_BYTES. A number is used once for each key. */
  seal(key: Buffer, number: number, plaintext: Buffer): Buffer;
  open(key: Buffer, number: number, sealed: Buffer): Buffer | null;
}
