/**
 * Legs of onions: from one node to the next and, by a random token for each leg, back again.
 *
 * A leg is acknowledged at once, so a slow lookup behind it holds up nobody. What fits goes in a sealed datagram of a
 * confirmed session, the rest over a stream. Invariants: a reply counts only from the node that the onion went to, with
 * the leg's token, and each number once; a leg is forgotten IDLE_MS after its last message, LIFE_MS after its first;
 * what comes back on it is bounded; the table is bounded and closed when full. Failures of a leg are not told to the routing table: whoever makes an onion
 * could otherwise name a node with a wrong address and so push it out of others' tables.
 * Not here: layers (onion.ts), what is done with an onion (relay.ts) or a reply (relay.ts, onion-run.ts).
 */
import type { Contact } from '../contact.js';
import { SEALED_CAPACITY } from '../datagram.js';
import type { Endpoint, TimerHandle } from '../environment.js';
import type { Network } from '../network.js';
import { ReplayWindow } from '../replay-window.js';
import { LEG_TOKEN_BYTES, RPC_HEADER_BYTES, type RpcAnswer, type TakenVerdict } from '../rpc-message.js';
import type { LegRequest } from '../service.js';
import { isOnionSize, isReplySize, type Reply } from './onion.js';

/** Room for all passages (relay.ts) and for our own. */
export const MAX_LEGS = 12_288;
const IDLE_MS = 30_000;
const LIFE_MS = 60_000;
const SWEEP_MS = 5_000;
const ATTEMPTS = 2;
/** What may come back on one leg: many times what a key may hold. */
export const MAX_LEG_BYTES = 4 << 20;

export interface LegCallbacks {
  onReply(reply: Reply): void;
  /** The next node has the onion, or has not: null where it did not answer. Comes once, unless the leg ends before. */
  onVerdict(verdict: TakenVerdict | null): void;
}

/** Where the replies to an onion go. */
export interface WayBack {
  readonly to: Contact;
  /**
   * Where the onion came from, which may be open to us though no address that the node announces is, and cannot be
   * somebody else's; null where the node is known to be at what it announces.
   */
  readonly via: Endpoint | null;
  readonly token: Buffer;
}

interface Leg {
  readonly token: string;
  /** Whom the onion went to. */
  readonly to: string;
  readonly callbacks: LegCallbacks;
  readonly window: ReplayWindow;
  readonly sinceMs: number;
  atMs: number;
  bytes: number;
}

export interface LegsParts {
  readonly network: Network;
  /** An onion has come, with one of the known sizes. */
  readonly onOnion: (back: WayBack, onion: Buffer) => TakenVerdict;
}

export class Legs {
  readonly #legs = new Map<string, Leg>();
  #sweep: TimerHandle | null = null;
  #closed = false;

  constructor(readonly parts: LegsParts) {}

  get size(): number {
    return this.#legs.size;
  }

  /**
   * Sends an onion on. Gives a function that ends the leg, or null where there is no room for another.
   * @param forOthers the onion is not our own
   */
  forward(to: Contact, onion: Buffer, callbacks: LegCallbacks, forOthers = false): (() => void) | null {
    const { random, clock } = this.parts.network.parts;
    if (this.#closed || this.#legs.size >= MAX_LEGS) return null;
    const token = random.bytes(LEG_TOKEN_BYTES);
    const id = token.toString('latin1');
    const now = clock.now();
    const leg: Leg = {
      ...{ token: id, to: to.id, callbacks, window: new ReplayWindow(), sinceMs: now, atMs: now, bytes: 0 },
    };
    this.#legs.set(id, leg);
    this.#sweep ??= clock.setTimer(SWEEP_MS, () => this.#forgetOld());
    const onVerdict = (verdict: TakenVerdict | null) => {
      if (this.#legs.get(id) === leg) callbacks.onVerdict(verdict);
    };
    this.#send(to, { kind: 'relay', token, onion }, onion.length, onVerdict, null, forOthers);
    return () => this.#legs.delete(id);
  }

  /** Sends a reply back. `onDone` tells whether it has arrived. */
  backward({ to, via, token }: WayBack, reply: Reply, onDone: (arrived: boolean) => void): void {
    const { number, body } = reply;
    const request = { kind: 'relayed', token, number, body } as const;
    this.#send(to, request, body.length + 4, (verdict) => onDone(verdict === 'taken'), via, true);
  }

  /** Takes what another node sends. */
  handle(from: Contact, request: LegRequest, via: Endpoint | null): TakenVerdict {
    const { counters } = this.parts.network.parts;
    if (this.#closed) return 'refused';
    if (request.kind === 'relay') {
      if (isOnionSize(request.onion.length)) {
        return this.parts.onOnion({ to: from, via, token: request.token }, request.onion);
      }
      counters.add('dropOnion');
      return 'refused';
    }
    const leg = this.#legs.get(request.token.toString('latin1'));
    if (leg?.to !== from.id || !isReplySize(request.body.length)) {
      counters.add('dropReply');
      return 'refused';
    }
    // Sent again because its acknowledgement was lost: it has arrived, and that is all.
    if (!leg.window.accept(request.number)) return 'taken';
    leg.bytes += request.body.length;
    if (leg.bytes > MAX_LEG_BYTES) {
      counters.add('dropReply');
      return 'refused';
    }
    leg.atMs = this.parts.network.now;
    leg.callbacks.onReply({ number: request.number, body: request.body });
    return 'taken';
  }

  close(): void {
    this.#closed = true;
    this.#legs.clear();
    if (this.#sweep) this.parts.network.parts.clock.clearTimer(this.#sweep);
    this.#sweep = null;
  }

  #send(
    to: Contact,
    request: LegRequest,
    bytes: number,
    onVerdict: (verdict: TakenVerdict | null) => void,
    via: Endpoint | null,
    forOthers: boolean,
  ): void {
    const { rpc, bulk } = this.parts.network.parts;
    let over = false;
    const end = (verdict: TakenVerdict | null) => {
      if (over) return;
      over = true;
      onVerdict(verdict);
    };
    const fits = bytes + LEG_TOKEN_BYTES + RPC_HEADER_BYTES <= SEALED_CAPACITY;
    const callbacks = {
      onAnswer: (answer: RpcAnswer) => end(answer.kind === 'taken' ? answer.verdict : null),
      onFailure: () => end(null),
    };
    if (fits) rpc.request(to, request, callbacks, ATTEMPTS, via, forOthers);
    else bulk.request(to, request, callbacks, forOthers);
  }

  #forgetOld(): void {
    const { clock } = this.parts.network.parts;
    const now = clock.now();
    for (const leg of [...this.#legs.values()]) {
      if (now - leg.atMs > IDLE_MS || now - leg.sinceMs > LIFE_MS) this.#legs.delete(leg.token);
    }
    this.#sweep = this.#legs.size > 0 ? clock.setTimer(SWEEP_MS, () => this.#forgetOld()) : null;
  }
}
