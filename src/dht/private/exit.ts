/**
 * The exit of an onion: does the lookup or the storing, and sends back what it finds as it finds it.
 *
 * Invariants: bounded lookups at a time, a rate for each source and for all, of PUTs by what they have us send
 * (copy-limit.ts); of one lookup at most MAX_REPLY_BYTES go
 * back; at most WINDOW replies are unacknowledged, so that many small contents share a reply and a slow way back holds
 * little. Not here: layers and legs (relay.ts), how a lookup goes (get.ts, put.ts).
 */
import type { Network } from '../network.js';
import { RateLimit } from '../rate-limit.js';
import type { StoreItem, TakenVerdict } from '../rpc-message.js';
import { CopyLimit, copiesOf } from './copy-limit.js';
import { decodeExitRequest, type ExitRequest, encodeExitReply } from './exit-message.js';
import type { Legs, WayBack } from './legs.js';
import { sealReply } from './onion.js';
import type { LayerKeys, OnionCipher } from './onion-cipher.js';

/** A lookup costs dozens of requests of ours, so it has a limit of its own beside that for relaying. */
const LOOKUPS_PER_SECOND = 20;
const LOOKUP_BURST = 200;
const ALL_PER_SECOND = 40;
const ALL_BURST = 400;
/** The longest that a lookup for somebody else may take, in milliseconds. */
const LIFE_MS = 60_000;
export const MAX_LOOKUPS = 128;
const WINDOW = 4;
/** Several times what a key may hold (Spec 3.1: 64 KB). */
const MAX_REPLY_BYTES = 524_288;
const SMALL_CONTENT_BYTES = 1_000;
const ALL = '';

/** Lookups and storing without an onion. */
export interface DirectLookups {
  get(key: Buffer, onContent: (content: Buffer) => void): Promise<number>;
  put(item: StoreItem): Promise<number>;
}

export interface ExitParts {
  readonly network: Network;
  readonly cipher: OnionCipher;
  readonly legs: () => Legs;
  readonly direct: DirectLookups;
}

export class Exit {
  readonly #o: ExitParts;
  readonly #ofSource = new RateLimit(LOOKUPS_PER_SECOND, LOOKUP_BURST);
  readonly #ofAll = new RateLimit(ALL_PER_SECOND, ALL_BURST, 1);
  readonly #copies = new CopyLimit();
  #running = 0;

  constructor(parts: ExitParts) {
    this.#o = parts;
  }

  get running(): number {
    return this.#running;
  }

  serve(back: WayBack, keys: LayerKeys, payload: Buffer): TakenVerdict {
    const { network, direct } = this.#o;
    const { counters, clock } = network.parts;
    const request = decodeExitRequest(payload);
    if (!request) {
      counters.add('dropOnion');
      return 'refused';
    }
    if (!this.#hasRoom(back.to.id, request)) {
      counters.add('dropOnionLimit');
      return 'busy';
    }
    counters.add('onionsServed');
    const replies = new ReplyLine(this.#o, back, keys);
    if (request.kind === 'probe') {
      replies.end(0);
      return 'taken';
    }
    this.#running += 1;
    let running = true;
    const end = (stored: number) => {
      if (!running) return;
      running = false;
      clock.clearTimer(timer);
      this.#running -= 1;
      replies.end(stored);
    };
    // Whatever keeps a lookup from its end keeps no place here, and nobody waits for it so long.
    const timer = clock.setTimer(LIFE_MS, () => end(0));
    if (request.kind === 'put') {
      const { key, ttlMs, replication, content } = request;
      void direct.put({ key, ttlMs, replication, content }).then(end, () => end(0));
    } else {
      void direct
        .get(request.key, (content) => replies.push(content))
        .then(
          () => end(0),
          () => end(0),
        );
    }
    return 'taken';
  }

  #hasRoom(source: string, request: ExitRequest): boolean {
    const { now } = this.#o.network;
    if (request.kind === 'probe') return true;
    if (this.#running >= MAX_LOOKUPS || !this.#ofSource.allow(source, now) || !this.#ofAll.allow(ALL, now))
      return false;
    if (request.kind === 'get') return true;
    return this.#copies.allow(source, copiesOf(request.replication, request.content.length), now);
  }
}

/** The replies of one onion, in order, in as few messages as their arrival allows. */
class ReplyLine {
  readonly #queue: Buffer[] = [];
  #index = 0;
  #unacknowledged = 0;
  #bytes = 0;
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

  push(content: Buffer): void {
    if (this.#bytes + content.length > MAX_REPLY_BYTES) {
      this.parts.network.parts.counters.add('dropReply');
      return;
    }
    this.#bytes += content.length;
    this.#queue.push(content);
    if (this.#index > 0) this.#pump();
  }

  end(stored: number): void {
    this.#ended = true;
    this.#stored = stored;
    if (this.#index > 0) this.#pump();
  }

  #pump(): void {
    while (!this.#over && this.#unacknowledged < WINDOW && (this.#queue.length > 0 || this.#ended))
      this.#send();
  }

  #send(): void {
    const { cipher, legs } = this.parts;
    const reply = { begun: this.#index === 0, failed: false, stored: this.#stored };
    // That it has begun does not wait for a content that needs a stream.
    const alone = reply.begun && (this.#queue[0]?.length ?? 0) > SMALL_CONTENT_BYTES;
    const ends = this.#ended && !alone;
    const { plaintext, end } = encodeExitReply(reply, alone ? [] : this.#queue, ends);
    this.#over = end;
    this.#unacknowledged += 1;
    const sealed = sealReply(cipher, this.keys, this.#index, plaintext);
    this.#index += 1;
    legs().backward(this.back, sealed, (arrived) => {
      this.#unacknowledged -= 1;
      if (!arrived) this.#over = true;
      this.#pump();
    });
  }
}
