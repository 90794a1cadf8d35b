/**
 * The exit of an onion: does the lookup or the storing, and sends back what it finds as it finds it.
 *
 * Invariants: bounded lookups at a time, a rate for each source and for all, of PUTs by what they have us send
 * (copy-limit.ts). Not here: how replies go back (exit-replies.ts), layers and legs (relay.ts), how a lookup goes
 * (get.ts, put.ts).
 */
import { decodeSignedValue } from '../../identity/signed-value.js';
import type { Network } from '../network.js';
import { RateLimit } from '../rate-limit.js';
import type { StoreItem, TakenVerdict } from '../rpc-message.js';
import { CopyLimit, copiesOf } from './copy-limit.js';
import { decodeExitRequest, type ExitRequest } from './exit-message.js';
import { ExitReplies } from './exit-replies.js';
import type { Legs, WayBack } from './legs.js';
import type { LayerKeys, OnionCipher } from './onion-cipher.js';
import type { ReplyBacklog } from './reply-backlog.js';

/** A lookup costs dozens of requests of ours, so it has a limit of its own beside that for relaying. */
const LOOKUPS_PER_SECOND = 20;
const LOOKUP_BURST = 200;
const ALL_PER_SECOND = 40;
const ALL_BURST = 400;
/** The longest that a lookup for somebody else may take, in milliseconds. */
const LIFE_MS = 60_000;
export const MAX_LOOKUPS = 128;
const ALL = '';

const isSigned = (content: Buffer, key: Buffer, nowMs: number) =>
  decodeSignedValue(content, key, Math.floor(nowMs / 1000)) !== null;

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
  readonly backlog: ReplyBacklog;
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
    const replies = new ExitReplies(this.#o, back, keys);
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
        .get(request.key, (content) => replies.push(content, isSigned(content, request.key, network.now)))
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
