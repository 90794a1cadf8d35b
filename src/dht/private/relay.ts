/**
 * What this node does for the onions of others: takes a layer off and passes them on, or serves them as their exit.
 *
 * Invariants: an onion is accepted once (seen-onions.ts); what one source can have us do is limited in rate and in
 * number, and so is all together; a leg that is acknowledged twice is passed on once; where the next hop cannot be
 * reached, the requester is told so, by a reply like any other; replies go back no faster than the node before us takes
 * them (passed-replies.ts). A relay learns the two nodes beside it, nothing else.
 * Not here: what an exit does (exit.ts), our own onions (onion-run.ts).
 */
import type { Contact, UnverifiedContact } from '../contact.js';
import type { CounterName } from '../counters.js';
import type { Network } from '../network.js';
import { RateLimit } from '../rate-limit.js';
import type { TakenVerdict } from '../rpc-message.js';
import type { Exit } from './exit.js';
import { encodeExitReply } from './exit-message.js';
import type { LegCallbacks, Legs, WayBack } from './legs.js';
import { coverReply, ONION_BYTES, type Peeled, peelOnion, type Reply, sealReply } from './onion.js';
import { EPHEMERAL_BYTES, type OnionCipher } from './onion-cipher.js';
import { PassedReplies } from './passed-replies.js';
import type { ReplyBacklog } from './reply-backlog.js';
import type { SeenOnions } from './seen-onions.js';

/** From one source: the node before us, which may carry the onions of many. */
const ONIONS_PER_SECOND = 20;
const ONION_BURST = 1_000;
/** Those that need streams, and may be PUTs of 64 KB. */
const LARGE_PER_SECOND = 1;
const LARGE_BURST = 60;
export const MAX_PASSAGES = 8_192;
export const MAX_PASSAGES_A_SOURCE = 2_048;
/** As long as a leg at most (legs.ts). */
const PASSAGE_MS = 60_000;

interface Passage {
  readonly source: string;
  readonly sinceMs: number;
}

export interface RelayParts {
  readonly network: Network;
  readonly cipher: OnionCipher;
  readonly legs: () => Legs;
  readonly exit: Exit;
  readonly backlog: ReplyBacklog;
  readonly seen: SeenOnions;
}

export class Relay {
  readonly #o: RelayParts;
  readonly #limit = new RateLimit(ONIONS_PER_SECOND, ONION_BURST);
  readonly #largeLimit = new RateLimit(LARGE_PER_SECOND, LARGE_BURST);
  /** By source and token, oldest first. */
  readonly #passages = new Map<string, Passage>();
  readonly #bySource = new Map<string, number>();

  constructor(parts: RelayParts) {
    this.#o = parts;
  }

  get size(): { passages: number; seen: number } {
    return { passages: this.#passages.size, seen: this.#o.seen.size };
  }

  onOnion(back: WayBack, onion: Buffer): TakenVerdict {
    const { network, cipher, exit } = this.#o;
    const now = network.now;
    this.#forgetOld(now);
    const { to: from, token } = back;
    const id = from.id + token.toString('latin1');
    if (this.#passages.has(id)) return 'taken';
    const room =
      this.#passages.size < MAX_PASSAGES && (this.#bySource.get(from.id) ?? 0) < MAX_PASSAGES_A_SOURCE;
    const large = onion.length > ONION_BYTES[0];
    if (!room || !this.#limit.allow(from.id, now) || (large && !this.#largeLimit.allow(from.id, now)))
      return this.#drop('dropOnionLimit', 'busy');
    const peeled = peelOnion(cipher, onion);
    if (!peeled) return this.#drop('dropOnion');
    const seen = this.#o.seen.accept(onion.subarray(0, EPHEMERAL_BYTES), peeled.slot, now);
    if (seen === 'full') return this.#drop('dropOnionLimit', 'busy');
    if (seen === 'stale') return this.#drop('dropOnionStale');
    if (seen === 'replayed') return this.#drop('dropOnionReplayed');
    const verdict =
      peeled.kind === 'exit' ? exit.serve(back, peeled.keys, peeled.payload) : this.#pass(back, peeled);
    if (verdict === 'taken') {
      this.#passages.set(id, { source: from.id, sinceMs: now });
      this.#bySource.set(from.id, (this.#bySource.get(from.id) ?? 0) + 1);
    }
    return verdict;
  }

  #drop(reason: CounterName, verdict: TakenVerdict = 'refused'): TakenVerdict {
    this.#o.network.parts.counters.add(reason);
    return verdict;
  }

  #pass(back: WayBack, peeled: Peeled & { kind: 'forward' }): TakenVerdict {
    const { network, cipher, legs, backlog } = this.#o;
    const { self, counters } = network.parts;
    const { keys } = peeled;
    const next = this.#reach(peeled.next);
    if (!next || next.id === self.id || next.id === back.to.id) return this.#drop('dropOnion');
    const replies = new PassedReplies({
      ...{ backlog, source: back.to.id },
      send: (reply, onDone) => legs().backward(back, reply, onDone),
      onStop: () => end?.(),
    });
    const callbacks: LegCallbacks = {
      onReply: (reply) => {
        const covered = coverReply(cipher, keys, reply);
        if (!covered || !replies.push(covered)) counters.add('dropReply');
      },
      onVerdict: (verdict) => {
        if (verdict === 'taken') return;
        end?.();
        replies.push(this.#failure(peeled));
      },
    };
    const end = legs().forward(next, peeled.onion, callbacks, true);
    if (!end) return this.#drop('dropOnionLimit', 'busy');
    counters.add('onionsRelayed');
    return 'taken';
  }

  /** The node as we know it ourselves, else as the onion names it. */
  #reach(next: UnverifiedContact): Contact | null {
    const { table, verify } = this.#o.network.parts;
    const verified = verify(next);
    if (!verified) return null;
    const known = table.get(verified);
    return known?.key.equals(next.key) ? known : verified;
  }

  /** Tells that the next hop did not take the onion. */
  #failure({ keys }: Peeled): Reply {
    const { plaintext } = encodeExitReply({ failed: true, stored: 0 }, [], true);
    return sealReply(this.#o.cipher, keys, 0, plaintext);
  }

  #forgetOld(now: number): void {
    for (const [id, { source, sinceMs }] of this.#passages) {
      if (now - sinceMs <= PASSAGE_MS) break;
      this.#passages.delete(id);
      const left = (this.#bySource.get(source) ?? 1) - 1;
      if (left > 0) this.#bySource.set(source, left);
      else this.#bySource.delete(source);
    }
  }
}
