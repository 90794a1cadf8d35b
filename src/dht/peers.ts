/**
 * What a node keeps of each other node that it knows, as one object: the certified key, the round trip, the session to send on.
 *
 * Invariants: bounded; whoever has shown that it receives at its address has a bound apart from strangers, so a flood of
 * handshakes cannot push it out. Numbers are small and whole, as V8 keeps only those without a box.
 * Not here: what the fields are for (certified-keys.ts, round-trip.ts, session-table.ts), whom to ask (routing-table.ts).
 */
import { BoundedMap } from './bounded-map.js';
import type { Session } from './session-table.js';

const MAX_MET = 4096;
const MAX_STRANGERS = 4096;

export class Peer {
  /** Proven by a certificate until `keyExpirySeconds`. A contact's own buffer, which costs nothing. */
  key: Buffer | null = null;
  keyExpirySeconds = 0;
  /** Below 0 as long as nothing was measured. */
  smoothedMicros = -1;
  deviationMicros = 0;
  /** The one to send on. */
  session: Session | null = null;
}

/** Peers by the id of their contact. */
export class Peers {
  readonly #met: BoundedMap<string, Peer>;
  readonly #strangers: BoundedMap<string, Peer>;

  constructor(limits: { met?: number; strangers?: number } = {}) {
    this.#met = new BoundedMap(limits.met ?? MAX_MET);
    this.#strangers = new BoundedMap(limits.strangers ?? MAX_STRANGERS);
  }

  /** The peer without counting as a use. */
  peek(id: string): Peer | undefined {
    return this.#met.peek(id) ?? this.#strangers.peek(id);
  }

  /** The peer, which counts as used now; without it, it may be the next to be forgotten. */
  use(id: string): Peer | undefined {
    return this.#met.get(id) ?? this.#strangers.get(id);
  }

  /** The peer, from now on known if it was not. */
  know(id: string): Peer {
    const known = this.use(id);
    if (known) return known;
    const peer = new Peer();
    this.#strangers.set(id, peer);
    return peer;
  }

  /** The peer, which has shown that it receives at its address. */
  meet(id: string): Peer {
    const met = this.#met.get(id);
    if (met) return met;
    const peer = this.#strangers.peek(id) ?? new Peer();
    this.#strangers.delete(id);
    this.#met.set(id, peer);
    return peer;
  }
}
