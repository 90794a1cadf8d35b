/**
 * What an exit sends back for one onion, in as few messages as its arrival allows.
 *
 * Invariants: at most WINDOW replies are unacknowledged, so that many small contents share a reply and a slow way back
 * holds little; what is held counts in the backlog until it is acknowledged; at most MAX_REPLY_BYTES go back of what the
 * key has signed, which goes first, and as much of everything else, so that junk is in nobody's way; a reply that does
 * not arrive is the last. Not here: lookups (exit.ts), layers and legs (onion.ts, legs.ts).
 */

import type { ExitParts } from './exit.js';
import { encodeExitReply } from './exit-message.js';
import type { WayBack } from './legs.js';
import { sealReply } from './onion.js';
import type { LayerKeys } from './onion-cipher.js';

const WINDOW = 4;
/** Several times what a key may hold (Spec 3.1: 64 KB). */
const MAX_REPLY_BYTES = 524_288;
const SMALL_CONTENT_BYTES = 1_000;

const bytesOf = (contents: readonly Buffer[]) => contents.reduce((sum, { length }) => sum + length, 0);

export class ExitReplies {
  /** Those that the key has signed first. */
  readonly #queue: Buffer[] = [];
  #signedWaiting = 0;
  readonly #bytes = { signed: 0, other: 0 };
  #index = 0;
  #unacknowledged = 0;
  #stored = 0;
  #ended = false;
  #over = false;

  constructor(
    readonly parts: ExitParts,
    readonly back: WayBack,
    readonly keys: LayerKeys,
  ) {
    // Its acknowledgement of the leg goes first; then the requester learns that the onion is here.
    parts.network.parts.clock.setTimer(0, () => {
      this.#send();
      this.#pump();
    });
  }

  /** @param signed by the key that was looked up */
  push(content: Buffer, signed: boolean): void {
    if (this.#over) return;
    const kind = signed ? 'signed' : 'other';
    if (this.#bytes[kind] + content.length > MAX_REPLY_BYTES || !this.#hold(content, signed)) {
      this.parts.network.parts.counters.add('dropReply');
      return;
    }
    this.#bytes[kind] += content.length;
    this.#queue.splice(signed ? this.#signedWaiting++ : this.#queue.length, 0, content);
    if (this.#index > 0) this.#pump();
  }

  end(stored: number): void {
    this.#ended = true;
    this.#stored = stored;
    if (this.#index > 0) this.#pump();
  }

  /** Finds room for a content; for a signed one, at the cost of others that wait. */
  #hold(content: Buffer, signed: boolean): boolean {
    const { backlog, network } = this.parts;
    while (!backlog.hold(this.back.to.id, content.length)) {
      const other = signed && this.#queue.length > this.#signedWaiting ? this.#queue.pop() : undefined;
      if (!other) return false;
      this.#release(other.length);
      network.parts.counters.add('dropReply');
    }
    return true;
  }

  #release(bytes: number): void {
    this.parts.backlog.release(this.back.to.id, bytes);
  }

  #pump(): void {
    while (!this.#over && this.#unacknowledged < WINDOW && (this.#queue.length > 0 || this.#ended))
      this.#send();
  }

  #send(): void {
    const { cipher, legs } = this.parts;
    const reply = { failed: false, stored: this.#stored };
    // The first says that the onion is here, and does not wait for a content that needs a stream.
    const alone = this.#index === 0 && (this.#queue[0]?.length ?? 0) > SMALL_CONTENT_BYTES;
    const { plaintext, contents, end } = encodeExitReply(
      reply,
      alone ? [] : this.#queue,
      this.#ended && !alone,
    );
    this.#signedWaiting = Math.max(0, this.#signedWaiting - contents.length);
    this.#over = end;
    this.#unacknowledged += 1;
    const sealed = sealReply(cipher, this.keys, this.#index, plaintext);
    this.#index += 1;
    legs().backward(this.back, sealed, (arrived) => {
      this.#unacknowledged -= 1;
      this.#release(bytesOf(contents));
      if (arrived) this.#pump();
      else this.#stop();
    });
  }

  #stop(): void {
    this.#over = true;
    this.#release(bytesOf(this.#queue.splice(0)));
  }
}
